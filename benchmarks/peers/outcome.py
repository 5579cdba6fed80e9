"""The outcome of a contender: measured, not here, not installed, failed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from benchmarks.peers.contenders.definition import Contender


class Status(Enum):
    """What became of a contender."""

    MEASURED = "measured"
    NOT_INSTALLED = "not installed"
    NOT_HERE = "not here"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A contender's line in the results: none is dropped, whatever happened to it."""

    key: str
    label: str
    status: Status
    detail: str
    settings: str
    versions: dict[str, str]

    @classmethod
    def of(
        cls, contender: Contender, status: Status, detail: str = "", versions: dict[str, str] | None = None
    ) -> Outcome:
        """Return the line of a contender."""
        return cls(
            key=contender.key,
            label=contender.label,
            status=status,
            detail=detail,
            settings=contender.settings,
            versions=versions or {},
        )

    def fields(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "key": self.key,
            "label": self.label,
            "status": self.status.value,
            "detail": self.detail,
            "settings": self.settings,
            "versions": self.versions,
        }
