"""What the C fuzzers begin with is whole, and what they make of it is taken or refused, the same each time."""

from __future__ import annotations

import mmap
import random
from pathlib import Path

import pytest

from benchmarks.hardening.fuzzing.native_files import read_native
from benchmarks.hardening.fuzzing.small_files import write_small_files
from tests.support.native import mapped, needs_native_engine
from vibe_router.engines.native.model import NativeModel
from vibe_router.engines.native.router_file import RouterFile
from vibe_router.errors import BundleCorruptError

pytestmark = needs_native_engine


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_small_files(tmp_path_factory.mktemp("files"))


def test_each_small_file_is_a_whole_router(files: list[Path]) -> None:
    for file in files:
        model = NativeModel(mapped(file), file=file.name)
        model.begin_check()()
        with file.open("rb") as opened:
            assert RouterFile(opened.fileno(), file=file.name).max_tokens == model.architecture.max_tokens


def test_files_of_an_attacker_are_taken_or_refused(files: list[Path]) -> None:
    bases = [read_native(file.read_bytes()) for file in files]
    taken = 0
    for seed in range(120):
        content = bases[seed % len(bases)].mutated(random.Random(seed))
        assert content == bases[seed % len(bases)].mutated(random.Random(seed))
        mapping = mmap.mmap(-1, max(len(content), 1))
        mapping.write(content)
        try:
            NativeModel(mapping, file="native").begin_check()()
            taken += 1
        except BundleCorruptError:
            continue
    assert 30 < taken < 100
