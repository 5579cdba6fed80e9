"""The C library for Windows: compiled here, and run by Wine where that is installed."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.conformance.expected import golden_prompts
from native.dist import HEADER, WINDOWS, Built, build
from tests.support.native import needs_native_engine
from vibe_router import Router

NANO = Path(__file__).resolve().parents[2] / "artifacts" / "nano"
WINE = shutil.which("wine")
# Windows takes 32,767 characters; quotes and backslashes are doubled on the way.
MOST_CHARACTERS = 8_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(WINDOWS, tmp_path_factory.mktemp("windows") / "library")


def exported(library: Path) -> set[str]:
    """Return the names that a library of Windows exports (Microsoft's PE format, .edata)."""
    content = library.read_bytes()
    header = struct.unpack_from("<I", content, 0x3C)[0]
    sections, optional = (
        struct.unpack_from("<H", content, header + 6)[0],
        struct.unpack_from("<H", content, header + 20)[0],
    )
    table = header + 24 + optional
    ranges = [struct.unpack_from("<IIII", content, table + 40 * place + 8) for place in range(sections)]

    def at(address: int) -> int:
        return next(raw + address - start for _, start, size, raw in ranges if start <= address < start + size)

    # The first data directory of PE32+ is the export table.
    exports = at(struct.unpack_from("<I", content, header + 24 + 112)[0])
    count, names = (
        struct.unpack_from("<I", content, exports + 24)[0],
        struct.unpack_from("<I", content, exports + 32)[0],
    )
    starts = [at(address) for address in struct.unpack_from(f"<{count}I", content, at(names))]
    return {content[start : content.index(b"\0", start)].decode() for start in starts}


def test_the_library_exports_what_the_header_declares_and_nothing_else(built: Built) -> None:
    declared = set(re.findall(r"VIBE_ROUTER_API [\w ]+?\*?(vibe_router_\w+)\(", HEADER.read_text("utf-8")))
    assert len(declared) > 10
    assert exported(built.shared) == declared
    assert built.imports is not None
    assert built.imports.stat().st_size > 0


def batches(prompts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for prompt in prompts:
        if batch and sum(map(len, batch)) + len(prompt) > MOST_CHARACTERS:
            yield batch
            batch = []
        batch.append(prompt)
    yield batch


@needs_native_engine
@pytest.mark.skipif(WINE is None, reason="Wine is not installed (Debian: apt-get install wine64)")
def test_wine_decides_the_golden_prompts_as_python(built: Built, tmp_path: Path) -> None:
    prompts = [one for one in golden_prompts(NANO) if "\0" not in one and len(one) < MOST_CHARACTERS]
    assert len(prompts) > 90
    with Router.load(NANO, engine="native-cpu", precision="int8") as router:
        expected = [(one.target.value, one.p_cloud, one.tokens) for one in router.route_many(prompts)]
    environment = os.environ | {"WINEPREFIX": str(tmp_path / "wine"), "WINEDEBUG": "-all", "LC_ALL": "C.UTF-8"}
    found = []
    for batch in batches(prompts):
        command = [str(WINE), str(built.program), str(NANO), *batch]
        ran = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr[-2000:]
        for line in ran.stdout.decode().splitlines():
            target, score, _, tokens, _ = line.split("\t")
            found.append((target, float(score.removeprefix("p_cloud ")), int(tokens.split()[0])))
    assert [(target, tokens) for target, _, tokens in found] == [(target, tokens) for target, _, tokens in expected]
    # The logits have the same bits; `exp` of another C library may round the last one of a probability differently.
    assert [score for _, score, _ in found] == pytest.approx([score for _, score, _ in expected], rel=1e-15, abs=1e-15)
