"""Random checkpoints: the real architecture, the same from the same seed, with the activations of trained models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.bundles import tiny_tokenizer_json
from vibe_router.errors import UsageError
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.choices import Size
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.observe.activations import linear_inputs
from vibe_router_export.synthetic.checkpoint import Outliers, write_random_checkpoint


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_bytes(tiny_tokenizer_json())
    return path


def write(
    folder: Path,
    tokenizer: Path,
    *,
    seed: int = 0,
    outliers: Outliers | None = None,
    pooling: Pooling = Pooling.MEAN,
) -> Checkpoint:
    write_random_checkpoint(folder, size=Size.NANO, seed=seed, outliers=outliers, tokenizer=tokenizer, pooling=pooling)
    return read_checkpoint(folder)


def random_batch(checkpoint: Checkpoint, *, rows: int = 24, length: int = 16) -> tuple[np.ndarray, np.ndarray]:
    config = checkpoint.config
    ids = np.random.default_rng(1).integers(0, config.vocabulary_size, (rows, length))
    ids[:, 0], ids[:, -1] = config.cls_token_id, config.sep_token_id
    return ids, np.ones_like(ids)


def test_the_seed_decides_every_byte(tmp_path: Path, tokenizer: Path) -> None:
    first, second, other = (write(tmp_path / str(i), tokenizer, seed=i // 2) for i in range(3))
    assert first.sha256 == second.sha256 != other.sha256


def test_transformers_loads_it(tmp_path: Path, tokenizer: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is in the test extra")
    write(tmp_path / "random", tokenizer)
    _, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "random", output_loading_info=True
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))


@pytest.mark.parametrize("pooling", Pooling)
def test_scores_scatter_around_the_published_thresholds(tmp_path: Path, tokenizer: Path, pooling: Pooling) -> None:
    checkpoint = write(tmp_path / "random", tokenizer, pooling=pooling)
    assert checkpoint.config.pooling is pooling
    logits = evaluate(checkpoint.weights, *random_batch(checkpoint))
    assert 1.0 < logits.std() < 4.0
    assert logits.min() < 2.94 < logits.max()


@pytest.mark.parametrize("neurons", [1, 2])
def test_planted_activations_are_few_massive_and_at_the_first_token(
    tmp_path: Path, tokenizer: Path, neurons: int
) -> None:
    planted = Outliers(layer=1, neurons=neurons)
    checkpoint = write(tmp_path / "random", tokenizer, outliers=planted)
    ids, mask = random_batch(checkpoint)
    hidden = linear_inputs(checkpoint.weights, ids, mask)["model.layers.1.mlp.Wo.weight"]
    written = hidden @ checkpoint.weights.layers[1].mlp_output.weight.value.T
    massive = np.abs(written) > 1000
    assert massive[:, 0].sum(axis=-1).tolist() == [planted.channels] * len(ids)
    assert not massive[:, 1:].any()
    assert np.abs(written[:, 0]).max(axis=-1) == pytest.approx(planted.peak, rel=0.2)
    ordinary = np.abs(hidden[:, 1:]).max()
    spiking = np.abs(hidden[:, 0]) > 2 * ordinary
    assert spiking.sum(axis=-1).tolist() == [neurons] * len(ids)


def test_planted_activations_stay_to_the_end_without_making_the_function_trivial(
    tmp_path: Path, tokenizer: Path
) -> None:
    checkpoint = write(tmp_path / "random", tokenizer, outliers=Outliers())
    ids, mask = random_batch(checkpoint)
    # Behind the spike a norm leaves only the spiking channels: the last layer's input shows that it is still there.
    last = linear_inputs(checkpoint.weights, ids, mask)["model.layers.3.mlp.Wi.weight"]
    share = np.sort(np.square(last[:, 0]), axis=-1)[:, -3:].sum(axis=-1) / np.square(last[:, 0]).sum(axis=-1)
    assert share.min() > 0.99
    logits = evaluate(checkpoint.weights, ids, mask)
    assert logits.std() > 1.0


def test_a_tokenizer_that_is_too_large_or_none_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    raw = json.loads(tokenizer.read_text())
    raw["model"]["vocab"]["one too many"] = 50_368
    large = tmp_path / "large.json"
    large.write_text(json.dumps(raw))
    with pytest.raises(UsageError, match="more than 50368"):
        write_random_checkpoint(tmp_path / "x", size=Size.BASE, seed=0, outliers=None, tokenizer=large)
    with pytest.raises(UsageError, match="not a tokenizer"):
        write(tmp_path / "x", tmp_path / "absent.json")
    assert not (tmp_path / "x").exists()
