"""Compile the C library to WebAssembly: `python web/build.py` writes two modules into `web/dist`.

`vibe_router.wasm` needs SIMD; `vibe_router_relaxed.wasm` also needs relaxed SIMD, and index.js takes it where an engine
has that. The compiler is the one of native/build_hook.py. There is one thread, and nothing is imported but what the C
library of WASI wants for a program that ends by `abort`.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

_WEB = Path(__file__).resolve().parent
_NATIVE = _WEB.parent / "native"
DIST = _WEB / "dist"
_EXPORTS = (
    *(f"vibe_router_{name}" for name in ("abi", "open_memory", "close", "route", "info", "profile", "self_test")),
    *("vibe_router_tokenize", "aligned_alloc", "malloc", "free"),
)
_FLAGS = (
    *("-target", "wasm32-wasi", "-mexec-model=reactor", "-std=c11", "-O3", "-g0"),
    *("-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror", "-DINSTRUCTIONS=WASM"),
    *("-Wl,--strip-all", "-Wl,--initial-memory=4194304", "-Wl,--max-memory=2147483648", "-Wl,-z,stack-size=262144"),
)
MODULES = {
    "vibe_router.wasm": "-mcpu=generic+simd128+bulk_memory",
    "vibe_router_relaxed.wasm": "-mcpu=generic+simd128+relaxed_simd+bulk_memory",
}


def build(folder: Path = DIST) -> list[Path]:
    """Compile into `folder` and return the modules.

    Raises:
        subprocess.CalledProcessError: the compiler refuses the sources.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = [one for part in ("text", "router", "engine") for one in sorted((_NATIVE / part).glob("*.c"))]
    exports = [f"-Wl,--export={name}" for name in _EXPORTS]
    command = [sys.executable, "-m", "ziglang", "cc", *_FLAGS, *exports, f"-I{_WEB / 'single'}"]
    every = [str(one) for one in (_NATIVE / "kernel" / "forward.c", *sources)]
    for name, processor in MODULES.items():
        subprocess.run([*command, processor, *every, "-o", str(folder / name)], check=True)
    for path in sorted((_WEB / "src").iterdir()):
        shutil.copyfile(path, folder / path.name)
    return [folder / name for name in MODULES]


if __name__ == "__main__":
    for built in build():
        content = built.read_bytes()
        sys.stdout.write(f"{built} {len(content)} bytes, {len(gzip.compress(content, 9))} gzipped\n")
