from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the gateway's libraries are part of the serve extra")
pytest.importorskip("httpx", reason="the openai client brings it")

from tests.support.gateway import Running, running
from vibe_router import Router


@pytest.fixture(scope="session")
def nano() -> Iterator[Router]:
    with Router.load(threads=1) as loaded:
        yield loaded


@pytest.fixture
def gateway(nano: Router, tmp_path: Path) -> Iterator[Running]:
    with running(nano, tmp_path) as started:
        yield started
