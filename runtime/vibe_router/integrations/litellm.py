"""LiteLLM asks this router: as the complexity router's classifier, as a routing plugin, or before a proxy's calls.

    classifier   the complexity router with `classifier_type: custom` and this as its `classifier_plugin`
    narrow       litellm.Router(plugins=[narrow]), or router_settings.plugins of the proxy
    pre_call     litellm_settings.callbacks of the proxy: the model `auto` becomes `device` or `cloud`

The three instances use the bundled router and load it at their first request; make one of your own for another bundle.
docs/gateway.md has whole configurations.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from vibe_router.errors import PromptError
from vibe_router.policy import Target
from vibe_router.router import Router

_TIMEOUT_S = 0.25
"""A hosted classifier takes about this long; a score here takes milliseconds."""


class Chooser:
    """A router that is loaded at its first use and asked by conversations."""

    def __init__(
        self,
        bundle: str | None = None,
        *,
        profile: str | None = None,
        fallback: Target = Target.DEVICE,
        timeout: float = _TIMEOUT_S,
    ) -> None:
        """`bundle` and `profile` are those of `Router.load`; `fallback` is the side where there is no score in time."""
        self._bundle = bundle
        self._profile = profile
        self._fallback = fallback
        self._timeout = timeout
        self._router: Router | None = None
        self._lock = threading.Lock()

    async def target(self, messages: Sequence[Mapping[str, object]] | None) -> Target:
        """Return the side for a conversation; one that is not OpenAI's gets the fallback."""
        router = self._router
        if router is None:
            router = await asyncio.to_thread(self._load)
        try:
            decided = await router.aroute_chat(messages or [], timeout=self._timeout, fallback=self._fallback)
        except PromptError:
            return self._fallback
        return decided.target

    def __deepcopy__(self, memo: dict[int, object]) -> Chooser:
        """Return itself: LiteLLM copies its configuration, and a copy would load the bundle again."""
        return self

    def _load(self) -> Router:
        with self._lock:
            if self._router is None:
                self._router = Router.load(self._bundle, profile=self._profile)
            return self._router


class Classifier(Chooser):
    """The complexity router's classifier_type `custom`: one tier for the device, one for the cloud."""

    device_tier = "SIMPLE"
    cloud_tier = "COMPLEX"

    async def classify(self, context: Any) -> str:
        """Return the tier of LiteLLM's RoutingContext."""
        target = await self.target(context.structured_messages)
        return self.device_tier if target is Target.DEVICE else self.cloud_tier


class Narrow(Chooser):
    """A routing plugin for one model group: keeps the deployments whose model's name ends with the side."""

    async def run(self, context: Any) -> Any:
        """Return LiteLLM's RoutingContext with the models of one side; all of them where that side has none."""
        target = await self.target(context.structured_messages)
        kept = [model for model in context.candidate_models if model.endswith(target.value)]
        if kept:
            context.candidate_models = kept
        return context


class PreCall(CustomLogger, Chooser):  # type: ignore[misc]  # LiteLLM comes without types here
    """A callback of the proxy: requests for the model `alias` are renamed to the group `device` or `cloud`."""

    alias = "auto"

    def __init__(
        self,
        bundle: str | None = None,
        *,
        profile: str | None = None,
        fallback: Target = Target.DEVICE,
        timeout: float = _TIMEOUT_S,
    ) -> None:
        """Take what `Chooser` takes."""
        CustomLogger.__init__(self)
        Chooser.__init__(self, bundle, profile=profile, fallback=fallback, timeout=timeout)

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,  # noqa: ARG002 LiteLLM names the arguments
        cache: Any,  # noqa: ARG002
        data: dict[str, Any],
        call_type: Any,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the request with its model chosen."""
        if data.get("model") == self.alias:
            data["model"] = (await self.target(_messages_of(data))).value
        return data


def _messages_of(data: Mapping[str, Any]) -> Any:
    """Return the conversation of a request: a chat's, or what the responses API and completions have in its place."""
    if data.get("messages") is not None:
        return data["messages"]
    given = data.get("input") or data.get("prompt")
    items = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    messages = [{"role": "user", "content": item} if isinstance(item, str) else item for item in items]
    # Reasoning and calls of tools have no role, and are no wish of the user's.
    return [message for message in messages if isinstance(message, Mapping) and "role" in message]


classifier = Classifier()
narrow = Narrow()
pre_call = PreCall()
