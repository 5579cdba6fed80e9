"""Hooks for PyInstaller, which finds them through the entry point `pyinstaller40` of this distribution."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folders in which PyInstaller looks for hooks."""
    return [str(Path(__file__).resolve().parent)]
