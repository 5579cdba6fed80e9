"""`router-export` as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path, hide: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command; modules in `hide` look as if they were not installed."""
    program = (
        "import sys, importlib.util as u, importlib.machinery as m\n"
        f"hidden = {hide!r}\n"
        "class Hider:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in hidden: raise ModuleNotFoundError(name)\n"
        "if hidden:\n"
        "    sys.meta_path.insert(0, Hider())\n"
        "    find = u.find_spec\n"
        "    u.find_spec = lambda name, package=None: None if name in hidden else find(name, package)\n"
        "from vibe_router_export.cli import main\n"
        "main()\n"
    )
    paths = os.pathsep.join(str(ROOT / name) for name in ("runtime", "export", "training"))
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
