"""An exported bundle: every file that others expect, readable by them unchanged, the same bytes each time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer

from tests.support.checkpoints import ROUTER_CONFIG, small_config, write_checkpoint
from vibe_router import Router
from vibe_router.bundle.manifest import Labels, Manifest
from vibe_router.errors import CheckpointError, UsageError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.router_config import UNSTATED_PROFILES, parse_profiles
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.first_manifest import Claims, check_claims
from vibe_router_export.fold.folds import centre_residual

UNPROVEN = ExportOptions(reference=ReferenceChoice.NONE)


# For tests of what stands around the graph.
ONE_LAYER = small_config(num_hidden_layers=1)


def export(
    folder: Path, *, config: dict[str, Any] = ONE_LAYER, options: ExportOptions = UNPROVEN, name: str = "bundle"
) -> Manifest:
    checkpoint = folder / "small"
    if not checkpoint.exists():
        write_checkpoint(checkpoint, config)
    return export_onnx(read_checkpoint(checkpoint), folder / name, options=options).manifest


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export(folder, config=small_config())
    return folder / "bundle"


def test_the_folder_is_a_hugging_face_model_with_a_manifest(bundle: Path) -> None:
    names = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert names == {
        "README.md",
        "config.json",
        "golden.jsonl",
        "onnx/model.onnx",
        "onnx/model_fast.onnx",
        "router.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    config = json.loads((bundle / "config.json").read_text())
    assert config["id2label"] == {"0": "cloud"}
    assert config["problem_type"] == "multi_label_classification"
    assert json.loads((bundle / "tokenizer_config.json").read_text())["split_special_tokens"] is True


def test_the_card_says_what_is_unproven(bundle: Path) -> None:
    text = (bundle / "README.md").read_text()
    assert "unproven" in text
    assert "| balanced (default) | 0.9500 | 0.9381 |" in text


def test_golden_prompts_stand_on_edges(bundle: Path) -> None:
    rows = [json.loads(line) for line in (bundle / "golden.jsonl").read_text().splitlines()]
    prompts = {row["prompt"] for row in rows}
    assert len(rows) >= 64
    assert len(prompts) == len(rows)
    assert {"", " ", "a", "[SEP]", "é", "e\u0301", "\x00"} <= prompts
    lengths = {(len(row["input_ids"]), row["truncated"]) for row in rows}
    assert {(127, False), (128, False), (128, True)} <= lengths
    added = {small_config()[f"{name}_token_id"] for name in ("cls", "sep", "pad")}
    for row in rows:
        assert not added & set(row["input_ids"][1:-1])


def test_the_runtime_routes_and_verifies_it(bundle: Path) -> None:
    from vibe_router.verify import verify

    with Router.load(bundle, threads=1) as router:
        assert router.route("hi").engine == "onnx-cpu"
        report = verify(router)
    assert report.passed
    assert report.prompts >= 64


def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    contents = []
    for name in ("first", "second"):
        export(tmp_path, name=name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()})
    assert contents[0] == contents[1]
    assert b"2023-11-14T22:13:20+00:00" in contents[0]["router.json"]


@pytest.mark.parametrize("epoch", ["", "tomorrow", "1e9", "9" * 30])
def test_a_date_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH is "):
        export(tmp_path)


def test_temperature_and_profiles_come_from_the_option_then_the_checkpoint_then_nobody(tmp_path: Path) -> None:
    from_checkpoint = export(tmp_path)
    assert from_checkpoint.calibration.temperature == ROUTER_CONFIG["temperature"]
    assert from_checkpoint.calibration.ece_after == ROUTER_CONFIG["ece_after"]
    assert {name: value.raw for name, value in from_checkpoint.thresholds.items()} == ROUTER_CONFIG["profiles"]

    claims = Claims(temperature=2.0, profiles={"mine": 0.7}, name="other")
    options = ExportOptions(reference=ReferenceChoice.NONE, claims=claims)
    chosen = export(tmp_path, options=options, name="chosen")
    assert (chosen.calibration.temperature, chosen.calibration.ece_after) == (2.0, None)
    assert (chosen.name, chosen.default_profile, list(chosen.thresholds)) == ("other", "mine", ["mine"])

    (tmp_path / "small" / "router_config.json").unlink()
    plain = export(tmp_path, name="plain")
    assert plain.calibration.temperature == 1.0
    assert "not calibrated" in plain.calibration.source
    assert {name: value.raw for name, value in plain.thresholds.items()} == dict(UNSTATED_PROFILES)


def test_an_existing_target_is_kept_unless_told(bundle: Path) -> None:
    before = (bundle / "router.json").read_bytes()
    with pytest.raises(UsageError, match="exists") as caught:
        export(bundle.parent)
    assert "--force" in caught.value.hint
    assert (bundle / "router.json").read_bytes() == before


@pytest.mark.parametrize("text", ["[]", "{}", '{"a": 1.5}', '{"a": "0.5"}', '{"a": true}', '{"a": NaN}', "{"])
def test_bad_profiles_are_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"profiles\.json"):
        parse_profiles(text, where="profiles.json")


def test_the_graph_is_a_few_fused_nodes_a_layer(bundle: Path) -> None:
    graph = onnx.load(bundle / "onnx" / "model_fast.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert (kinds.count("Attention"), kinds.count("If")) == (2, 2 + 1), "layers with a window choose, and their masks"
    assert kinds.count("SkipSimplifiedLayerNormalization") == 3 + 4 + 1, "all norms of the residual stream"
    assert kinds.count("RotaryEmbedding") == 8
    # 13 a layer; what is left is embedding, masks, pooling and head.
    assert len(kinds) - 13 * 4 <= 30


@pytest.mark.parametrize(
    ("window", "max_tokens", "choices"),
    [(8, 127, 0), (8, 128, 2 + 1), (64, 319, 0), (64, 320, 2 + 1), (64, 1024, 4 + 1)],
)
def test_the_graph_chooses_only_where_a_sequence_can_be_long_enough(
    tmp_path: Path, window: int, max_tokens: int, choices: int
) -> None:
    config = small_config(local_attention=2 * window, max_position_embeddings=max_tokens)
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", config)).weights
    kinds = [node.op_type for node in build_onnx(centre_residual(weights), max_tokens=max_tokens).nodes]
    assert kinds.count("If") == choices, "one a layer, and the masks once"
    assert kinds.count("Attention") == 4 - max(0, choices - 1)


def test_optimum_loads_it_and_gives_the_same_logits(bundle: Path) -> None:
    optimum = pytest.importorskip("optimum.onnxruntime", reason="optimum-onnx is in the test extra")
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    model = optimum.ORTModelForSequenceClassification.from_pretrained(bundle, subfolder="onnx", file_name="model.onnx")
    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle)
    rows = [json.loads(line) for line in (bundle / "golden.jsonl").read_text().splitlines()]
    for row in rows[::5]:
        encoded = tokenizer(row["prompt"], truncation=True, return_tensors="pt")
        assert encoded["input_ids"][0].tolist() == row["input_ids"]
        with torch.inference_mode():
            logit = float(model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits[0, 0])
        assert logit == pytest.approx(row["logit"], abs=1e-4)


def test_weights_beside_the_graph_are_named_for_transformers_js(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads((bundle / "config.json").read_text())["transformers.js_config"] == {"dtype": "fp32"}
    monkeypatch.setattr("vibe_router_export.emit.onnx.file._SINGLE_FILE_BYTES", 0)
    export(tmp_path)
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    assert (tmp_path / "bundle" / "onnx" / "model.onnx_data").is_file()
    assert config["transformers.js_config"] == {"dtype": "fp32", "use_external_data_format": {"model.onnx": True}}


def test_every_file_is_in_the_manifest_with_its_size(bundle: Path) -> None:
    manifest = json.loads((bundle / "router.json").read_text())
    for path in bundle.rglob("*"):
        if path.is_file() and path.name != "router.json":
            assert manifest["files"][path.relative_to(bundle).as_posix()]["bytes"] == path.stat().st_size
    assert manifest["provenance"]["checkpoint"] == "small"
    assert np.isfinite(manifest["calibration"]["temperature"])


def test_literal_special_tokens_are_text_for_every_reader_of_the_tokenizer(bundle: Path) -> None:
    from tokenizers import Tokenizer

    plain = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    golden = [json.loads(line) for line in (bundle / "golden.jsonl").read_text().splitlines()]
    literal = [row for row in golden if "[SEP]" in row["prompt"] or "[CLS]" in row["prompt"]]
    assert len(literal) >= 3
    for row in literal:
        assert plain.encode(row["prompt"]).ids == row["input_ids"]
    assert plain.encode("").ids == golden[[row["prompt"] for row in golden].index("")]["input_ids"]


def test_truncation_and_padding_of_a_tokenizer_stay_out_of_the_bundle(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    folder = write_checkpoint(tmp_path / "small", ONE_LAYER)
    baked = Tokenizer.from_file(str(folder / "tokenizer.json"))
    baked.enable_truncation(6)
    baked.enable_padding(length=12)
    baked.save(str(folder / "tokenizer.json"))
    export_onnx(read_checkpoint(folder), tmp_path / "bundle", options=UNPROVEN)
    read = Tokenizer.from_file(str(tmp_path / "bundle" / "tokenizer.json"))
    assert (read.truncation, read.padding) == (None, None)


@pytest.mark.parametrize(("precision", "dtype"), [(Precision.FP32, "fp32"), (Precision.INT8, "q8")])
def test_a_browser_takes_the_graph_that_is_there(tmp_path: Path, precision: Precision, dtype: str) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small"))
    options = replace(UNPROVEN, precisions=(precision,), max_flips=10_000)
    export_onnx(checkpoint, tmp_path / "bundle", options=options)
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    assert config["transformers.js_config"]["dtype"] == dtype


def test_a_card_claims_nothing_that_nobody_said(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "a folder: ☃", ONE_LAYER, router=False)
    unproven = ExportOptions(reference=ReferenceChoice.NONE)
    plain = export_onnx(read_checkpoint(folder), tmp_path / "plain", options=unproven).manifest
    card = (tmp_path / "plain" / "README.md").read_text()
    assert "license" not in card
    assert "answered on the device or in the cloud." in card
    assert (plain.name, plain.labels) == ("a-folder-", Labels(device="device", cloud="cloud"))

    claims = Claims(device_model="Little 1B", cloud_model="Big", license="mit")
    options = ExportOptions(reference=ReferenceChoice.NONE, claims=claims)
    export_onnx(read_checkpoint(folder), tmp_path / "said", options=options)
    card = (tmp_path / "said" / "README.md").read_text()
    assert "\nlicense: mit\n" in card
    assert "answered on the device (Little 1B) or in the cloud (Big)." in card


def test_a_checkpoint_can_state_its_licence_and_models(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "small", ONE_LAYER)
    stated = {"license": "cc-by-4.0", "labels": {"device": "this", "cloud": "that"}}
    (folder / "router_config.json").write_text(json.dumps(ROUTER_CONFIG | stated))
    options = ExportOptions(reference=ReferenceChoice.NONE)
    export_onnx(read_checkpoint(folder), tmp_path / "bundle", options=options)
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "license: cc-by-4.0" in card
    assert "(this)" in card
    assert "(that)" in card


@pytest.mark.parametrize(
    "claims",
    [
        {"name": "my router ☃"},
        {"name": "../x"},
        {"profiles": {"../x": 0.5}},
        {"temperature": 1e308},
        {"device_model": "two\nlines"},
        {"cloud_model": "\x1b[31m"},
        {"license": "mit\nextra: yes"},
    ],
)
def test_a_claim_that_no_manifest_can_hold_is_a_usage_error_before_any_work(claims: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        check_claims(Claims(**claims))
    assert caught.value.hint


def test_truncation_and_padding_of_a_trainer_are_not_passed_on(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "small", ONE_LAYER)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["truncation"] = {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
    padding = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 3, "pad_type_id": 0, "pad_token": "[PAD]"}
    tokenizer["padding"] = {"strategy": {"Fixed": 16}, **padding}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    export_onnx(read_checkpoint(folder), tmp_path / "bundle", options=ExportOptions(reference=ReferenceChoice.NONE))
    plain = Tokenizer.from_file(str(tmp_path / "bundle" / "tokenizer.json"))
    for line in (tmp_path / "bundle" / "golden.jsonl").read_text().splitlines():
        golden = json.loads(line)
        if not golden["truncated"]:
            assert plain.encode(golden["prompt"]).ids == golden["input_ids"]
