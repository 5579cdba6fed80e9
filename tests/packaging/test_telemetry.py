from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROUTE = "from vibe_router import Router\nwith Router.load(threads=1) as router: print(router.route('hi').target.value)"


def test_routing_writes_nothing_into_the_home_or_temporary_folder(tmp_path: Path) -> None:
    """ONNX Runtime keeps a device id and events to send, unless it is told not to."""
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", ROUTE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "device\n"
    assert done.stderr == ""
    assert list(tmp_path.rglob("*")) == []
