"""How a router came to be, for other processes to make the same one again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibe_router.engines.usage import Usage

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.engines.protocol import Engine


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How a router's engine was chosen; as `Router.load` takes it."""

    engine: str
    precision: str
    threads: int | None
    usage: Usage
    verify: str

    def load_engine(self, bundle: Bundle) -> Engine:
        """Return the engine made again.

        Raises:
            BundleCorruptError: the bundle has been altered since.
            EngineError: the engine cannot be made again.
        """
        from vibe_router.engines.choice import choose_engine

        return choose_engine(
            bundle, engine=self.engine, precision=self.precision, threads=self.threads, usage=self.usage
        )
