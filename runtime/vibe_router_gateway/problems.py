"""What the gateway refuses or could not do, as OpenAI's clients expect to be told."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from aiohttp import web

from vibe_router.errors import VibeRouterError


class ApiError(VibeRouterError):
    """An answer with an error body; `status` is HTTP's, `kind` and `code` are OpenAI's `type` and `code`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        hint: str = "",
        retry_after_s: float | None = None,
        may_retry: bool | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.may_retry = may_retry

    def fields(self) -> dict[str, object]:
        """Return the object under "error"."""
        message = f"{self.message}. {self.hint}." if self.hint else self.message
        return {"message": message, "type": self.kind, "param": self.param, "code": self.code}

    def reply(self, headers: Mapping[str, str]) -> web.Response:
        """Return the error as a whole answer."""
        sent = dict(headers)
        if self.retry_after_s is not None:
            # Whole seconds, and not too few: whoever comes back too early is refused again.
            sent["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        if self.may_retry is not None:
            # Clients of OpenAI try again by themselves; where the first try may have cost money, they should not.
            sent["x-should-retry"] = "true" if self.may_retry else "false"
        body = json.dumps({"error": self.fields()}, ensure_ascii=False).encode()
        return web.Response(status=self.status, body=body, content_type="application/json", headers=sent)


def cloud_forbidden(what: str) -> ApiError:
    """Return the refusal of a request that only the cloud can answer and that may not go there."""
    return ApiError(
        403,
        f"{what}, and this request may not go to the cloud",
        kind="permission_error",
        code="cloud_forbidden",
        hint="Allow the cloud for it, or give the device what it lacks",
        may_retry=False,
    )
