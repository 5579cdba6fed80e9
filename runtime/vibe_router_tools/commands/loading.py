"""What a command's options say about the router that it loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vibe_router.router import Router


@dataclass(frozen=True, kw_only=True)
class Loading:
    """The options --bundle, --engine, --precision and --threads."""

    bundle: str | None
    engine: str
    precision: str
    threads: int | None

    def load(self) -> Router:
        """Return the router.

        Raises:
            As `Router.load`.
        """
        from vibe_router.router import Router

        return Router.load(self.bundle, engine=self.engine, precision=self.precision, threads=self.threads)
