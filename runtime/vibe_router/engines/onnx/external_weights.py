"""Weights in a file next to their graph, handed to ONNX Runtime."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from vibe_router.bundle.safe_open import map_file


@dataclass(frozen=True)
class WeightsFolder:
    """Weights in a file of this folder. ONNX Runtime maps it piece by piece, which takes the least memory."""

    folder: Path

    @classmethod
    def of(cls, descriptor: int) -> WeightsFolder | None:
        """Return the open folder itself, under a name that leads nowhere else; None where the system has no such name.

        Linux has one. A path would lead to whatever lies there when ONNX Runtime opens it.
        """
        folder = Path(f"/proc/self/fd/{descriptor}")
        try:
            return cls(folder) if os.path.samestat(folder.stat(), os.fstat(descriptor)) else None
        except OSError:
            return None

    def give_to(self, options: Any) -> None:
        """Tell a session's options."""
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(self.folder))


@dataclass(frozen=True)
class WeightsMapping:
    """Weights in an open file, which the graph calls `name`. All of it is mapped at once."""

    name: str
    descriptor: int

    def give_to(self, options: Any) -> mmap.mmap:
        """Tell a session's options, and return what must live as long as the session."""
        mapping = map_file(self.descriptor, name=self.name)
        options.add_session_config_entry("session.use_external_initializer_file_buffers_directly", "1")
        options.add_external_initializers_from_files_in_memory([self.name], [mapping], [len(mapping)])
        return mapping


ExternalWeights: TypeAlias = WeightsFolder | WeightsMapping
