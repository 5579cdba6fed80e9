"""The user's folders for the gateway's settings and its log, as each operating system has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "vibe-router"


def default_settings_file() -> Path:
    """Return where `vibe-router serve` looks for its settings."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _NAME / "gateway.toml"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / _NAME / "gateway.toml"


def default_log_file() -> Path:
    """Return where the decision log is kept."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _NAME / "decisions.sqlite3"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / _NAME / "decisions.sqlite3"
