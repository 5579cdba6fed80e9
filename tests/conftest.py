from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from vibe_router import Router


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle to read; tests that alter one write their own."""
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def router(tiny_bundle: Path) -> Iterator[Router]:
    with Router.load(tiny_bundle, threads=1) as loaded:
        yield loaded
