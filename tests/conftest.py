from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from vibe_router import Router


def pytest_collection_finish() -> None:
    """Keep what the imports made out of later garbage collections, of which coremltools asks for many."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle to read; tests that alter one write their own."""
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def router(tiny_bundle: Path) -> Iterator[Router]:
    with Router.load(tiny_bundle, threads=1) as loaded:
        yield loaded


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime takes one thread where a test asks for no number: for tests that compute for minutes.

    The other process of the tests has the other CPU, and threads that wait for one another on a busy CPU spin: two take
    twice the processor time of one.
    """
    monkeypatch.setattr("vibe_router.engines.onnx.cpu.available_cpus", lambda: 1)
