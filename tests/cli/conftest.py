from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import CommandLine
from vibe_router import Router
from vibe_router_export.cli import main


@pytest.fixture
def vibe_router(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def router_export(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys, name="router-export", command=main)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory, router: Router) -> Path:
    """1,500 labelled prompts on which the tiny bundle's scores mean something, but are too sure of it."""
    random = np.random.default_rng(5)
    words = [f"word{index}" for index in range(400)]
    path = tmp_path_factory.mktemp("data") / "labelled.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index in range(1500):
            prompt = " ".join(random.choice(words, size=3)) + f" {index}"
            score = router.route(prompt).p_cloud
            row = {
                "prompt": prompt,
                "source": "even" if index % 2 else "odd <b>",
                "p_teacher": float(np.clip(0.25 + 0.5 * score + random.normal(0, 0.2), 0, 1)),
            }
            file.write(json.dumps(row) + "\n")
    return path
