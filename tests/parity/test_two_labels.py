"""A classifier with two labels becomes one logit whose sigmoid is transformers' softmax of the label for the cloud."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router import Router
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.export import ExportOptions, export_onnx

transformers = pytest.importorskip("transformers", reason="compared with transformers")
torch = pytest.importorskip("torch", reason="compared with torch")


def two_labels(folder: Path, names: list[str]) -> Path:
    """Write a checkpoint whose second row is the negative half of its first, and a bias of its own."""
    write_checkpoint(folder, router=False)
    tensors = load_file(folder / "model.safetensors")
    weight, bias = tensors["classifier.weight"], tensors["classifier.bias"]
    tensors |= {
        "classifier.weight": np.concatenate([weight, np.float32(-0.5) * weight]),
        "classifier.bias": np.concatenate([bias, bias + np.float32(0.25)]),
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = small_config(id2label=dict(enumerate(names)), label2id={name: row for row, name in enumerate(names)})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("cloud", [0, 1])
def test_the_exported_score_is_the_softmax(cloud: int, tmp_path: Path) -> None:
    names = ["cloud", "device"] if cloud == 0 else ["device", "cloud"]
    folder = two_labels(tmp_path / "two", names)
    options = ExportOptions(reference=ReferenceChoice.TRANSFORMERS)
    exported = export_onnx(read_checkpoint(folder), tmp_path / "bundle", options=options)
    assert exported.manifest.engines[0].parity is not None
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with Router.load(tmp_path / "bundle") as router, torch.no_grad():
        for prompt in ("hi", "Write a thread-safe LRU cache in Python", "", "日本語 🙂"):
            logits = model.eval()(**tokenizer(prompt, return_tensors="pt")).logits[0]
            assert router.route(prompt).p_cloud == pytest.approx(float(logits.softmax(0)[cloud]), abs=1e-5)


def test_a_bundle_says_one_label(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(two_labels(tmp_path / "two", ["a", "b"]), cloud_label="b")
    export_onnx(checkpoint, tmp_path / "bundle", options=ExportOptions(reference=ReferenceChoice.NONE))
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    assert config["id2label"] == {"0": "cloud"}
    assert checkpoint.weights.classifier.weight.value.shape == (1, 48)


def test_names_that_do_not_say_which_is_the_cloud_are_asked_for(tmp_path: Path) -> None:
    folder = two_labels(tmp_path / "two", ["a", "b"])
    with pytest.raises(CheckpointError, match="which of 'a' and 'b'") as caught:
        read_checkpoint(folder)
    assert "--cloud-label" in caught.value.hint
    first, second = (read_checkpoint(folder, cloud_label=name).weights.classifier for name in "ab")
    np.testing.assert_array_equal(first.weight.value, -second.weight.value)


def test_one_row_in_the_file_of_two_labels_is_named(tmp_path: Path) -> None:
    folder = two_labels(tmp_path / "two", ["device", "cloud"])
    write_checkpoint(tmp_path / "one")
    (tmp_path / "one" / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert read_checkpoint(folder).labels is not None
    with pytest.raises(CheckpointError, match=r"classifier\.weight has shape"):
        read_checkpoint(tmp_path / "one")


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_stripped_by_exporter_reference_and_trainer(prefix: str, tmp_path: Path) -> None:
    from vibe_router_export.proof.reference import Reference
    from vibe_router_training.model import load_model

    folder = write_checkpoint(tmp_path / "small")
    expected = Reference(read_checkpoint(folder)).logit([1, 5, 2])
    assert expected != 0
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {f"{prefix}{name}": tensor for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    # Where tensors lie in memory changes the order of PyTorch's sums.
    assert Reference(read_checkpoint(folder)).logit([1, 5, 2]) == pytest.approx(expected, abs=1e-6)
    model = load_model(str(folder))
    row = torch.tensor([[1, 5, 2]])
    with torch.no_grad():
        logits = model.eval()(input_ids=row, attention_mask=torch.ones_like(row)).logits
    assert float(logits[0, 0]) == pytest.approx(expected, abs=1e-5)
    model.save_pretrained(tmp_path / "saved")
    assert load_file(tmp_path / "saved" / "model.safetensors").keys() == tensors.keys()
