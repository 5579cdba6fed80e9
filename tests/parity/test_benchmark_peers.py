"""The peers that are installed compute what our engines compute: a benchmark of something else would be worthless."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.contenders.registry import choose
from benchmarks.peers.outcome import Status
from benchmarks.peers.sources import Sources
from benchmarks.peers.team import assembled
from tests.support.checkpoints import write_checkpoint

pytestmark = pytest.mark.slow
# Largest difference of a logit from our fp32 graph's.
TOLERANCE = {"ours-fp32": 0.0, "pytorch-fp32": 1e-4, "optimum-fp32": 1e-4, "openvino-fp32": 1e-4, "pytorch-bf16": 0.5}


def test_peers_agree_with_our_graph(tmp_path: Path) -> None:
    sources = Sources(checkpoint=write_checkpoint(tmp_path / "small"), bundle=None, work=tmp_path / "work")
    random = np.random.default_rng(0)
    sequences = [random.integers(5, 40, tokens).tolist() for tokens in (2, 17, 60)]
    with assembled(choose(list(TOLERANCE)), sources, threads=1) as team:
        assert [entry.detail for entry in team.outcomes.values() if entry.status is Status.FAILED] == []
        logits = {
            worker.contender.key: np.array(
                [worker.ask("time_ids", ids=ids, calls=1, warm_up=0, limit=1.0)["logit"] for ids in sequences]
            )
            for worker in team.workers
        }
    assert len(logits) >= 1
    for key, values in logits.items():
        assert np.abs(values - logits["ours-fp32"]).max() <= TOLERANCE[key], key
