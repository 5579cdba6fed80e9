"""A calibrated copy of a bundle: right on both scales, whole or absent, the original untouched."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bundles import RAW_THRESHOLDS, TEMPERATURE, entry, write_bundle
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.identity import model_identity
from vibe_router.bundle.manifest import MANIFEST_NAME, Threshold, dump_manifest
from vibe_router.errors import BundleCorruptError, UsageError
from vibe_router_tools.bundle_edit import CardSection, write_copy
from vibe_router_tools.calibration.choose import Goal, ThresholdChoice
from vibe_router_tools.calibration.confidence import Share
from vibe_router_tools.calibration.profile import (
    TEMPERATURE_HEADING,
    add_profile,
    describe_profile,
    describe_temperature,
    threshold_on_both_scales,
    with_temperature,
)
from vibe_router_tools.evaluation.defaults import Binning
from vibe_router_tools.evaluation.temperature import TemperatureFit

SHARE = Share(65, 100, 0.55, 0.75)
CHOICE = ThresholdChoice(
    goal=Goal.CLOUD_RATE,
    target=0.65,
    tolerance=0.05,
    confidence=0.95,
    threshold=0.37,
    threshold_low=0.35,
    threshold_high=0.39,
    chosen=SHARE,
    checked=SHARE,
    cloud_rate=SHARE,
)
FIT = TemperatureFit(
    temperature=1.5,
    rows=100,
    ece_before=0.05,
    ece_after=0.01,
    nll_before=0.6,
    nll_after=0.5,
    bins=15,
    binning=Binning.EQUAL_COUNT,
)


def test_a_promise_is_written_as_it_was_made() -> None:
    choice = replace(CHOICE, target=0.65432, tolerance=0.01234, confidence=0.999)
    section = describe_profile("mine", Threshold(raw=0.37, calibrated=0.37), choice)
    assert "a cloud rate of 0.65432 within 0.01234 at 99.9% confidence" in section


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


@pytest.mark.parametrize("threshold", [1e-6, 0.37, 0.938, 0.9999])
def test_both_scales_agree_and_the_given_one_is_exact(tiny_bundle: Path, threshold: float) -> None:
    calibration = open_bundle(tiny_bundle).manifest.calibration
    folded = threshold_on_both_scales(threshold, calibration)
    assert folded.calibrated == threshold
    assert logit(folded.raw) == pytest.approx(TEMPERATURE * logit(folded.calibrated))
    unfolded = threshold_on_both_scales(threshold, replace(calibration, folded=False))
    assert unfolded.raw == threshold
    assert logit(unfolded.raw) == pytest.approx(TEMPERATURE * logit(unfolded.calibrated))


@pytest.mark.parametrize("folded", [True, False])
def test_the_copy_decides_by_the_new_profile(tmp_path: Path, folded: bool) -> None:
    original = write_bundle(tmp_path / "original", folded=folded)
    before = contents(original)
    bundle = open_bundle(original)
    write_copy(
        bundle, tmp_path / "copy", add_profile(bundle.manifest, "mine", CHOICE, default=False), card_section=None
    )
    assert contents(original) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "original"]
    after = contents(tmp_path / "copy")
    assert after.pop(MANIFEST_NAME) != before.pop(MANIFEST_NAME)
    assert after == before
    with Router.load(tmp_path / "copy", threads=1) as copied, Router.load(original, threads=1) as first:
        assert replace(copied.route("hi", profile="mine"), profile=None) == first.route("hi", threshold=0.37)
        assert copied.route("hi") == first.route("hi")


def test_the_card_tells_of_the_profile(tmp_path: Path) -> None:
    original = write_bundle(tmp_path / "original")
    (original / "README.md").write_bytes(b"# Card\n")
    manifest = open_bundle(original).manifest
    manifest = replace(manifest, files={**manifest.files, "README.md": entry(b"# Card\n")})
    (original / MANIFEST_NAME).write_text(dump_manifest(manifest))
    bundle = open_bundle(original)
    (original / "README.md").write_bytes(b"# Curd\n")
    with pytest.raises(BundleCorruptError, match="altered"):
        write_copy(bundle, tmp_path / "copy", bundle.manifest, card_section=CardSection("more"))
    (original / "README.md").write_bytes(b"# Card\n")
    changed = add_profile(bundle.manifest, "mine", CHOICE, default=True)
    section = describe_profile("mine", changed.thresholds["mine"], CHOICE)
    write_copy(bundle, tmp_path / "copy", changed, card_section=CardSection(section))
    card = (tmp_path / "copy" / "README.md").read_text()
    assert card.startswith("# Card\n\n## Scores\n")
    assert "| mine (default) | 0.3598 | 0.3700 |\n" in card
    assert "| balanced | " in card
    assert card.index("## Scores") < card.index("## Profile `mine`\n")
    assert "0.6500 [0.5500, 0.7500] on 100 prompts" in card
    copied = open_bundle(tmp_path / "copy")
    copied.check()
    assert model_identity(copied.manifest) == model_identity(bundle.manifest)
    assert (original / "README.md").read_bytes() == b"# Card\n"


def test_the_bundled_card_shows_the_new_default_and_is_else_the_same(tmp_path: Path) -> None:
    bundle = open_bundle()
    before = (bundle.folder / "README.md").read_text("utf-8").splitlines()
    changed = add_profile(bundle.manifest, "mine", CHOICE, default=True)
    write_copy(bundle, tmp_path / "copy", changed, card_section=None)
    after = (tmp_path / "copy" / "README.md").read_text("utf-8").splitlines()
    (default,) = (line for line in before if "balanced (default)" in line)
    raw = 1 / (1 + (0.63 / 0.37) ** bundle.manifest.calibration.temperature)
    assert [line for line in before if line not in after] == [default]
    assert [line for line in after if line not in before] == [
        default.replace(" (default)", ""),
        f"| mine (default) | {raw:.4f} | 0.3700 |",
    ]
    with Router.load(tmp_path / "copy", threads=1) as copied, Router.load(threads=1) as first:
        assert copied.route("hi").profile == "mine"
        assert copied.route("hi").threshold == 0.37
        assert copied.route("hi").p_cloud == first.route("hi").p_cloud


def test_a_second_temperature_leaves_nothing_of_the_first_in_the_card(tmp_path: Path) -> None:
    original = write_bundle(tmp_path / "original", folded=False)
    (original / "README.md").write_bytes(b"# Card \xff\n\n## Scores\n\n| old | rows |\n\n## Last\n\nkept\n")
    manifest = open_bundle(original).manifest
    content = (original / "README.md").read_bytes()
    manifest = replace(manifest, files={**manifest.files, "README.md": entry(content)})
    (original / MANIFEST_NAME).write_text(dump_manifest(manifest))
    for step, name in enumerate(("first", "second")):
        bundle = open_bundle((original, tmp_path / "first")[step])
        changed = with_temperature(bundle.manifest, FIT)
        text = describe_temperature(changed.calibration.temperature, FIT)
        section = CardSection(text, instead_of=TEMPERATURE_HEADING)
        write_copy(bundle, tmp_path / name, changed, card_section=section)
    card = (tmp_path / "second" / "README.md").read_bytes()
    assert card.startswith(b"# Card \xff\n\n## Scores\n\nThe graphs return `logits` = z, ")
    assert card.count(b"## Temperature") == card.count(b"## Scores") == card.count(b"## Last\n\nkept\n") == 1
    assert b"| old |" not in card
    assert f"sigmoid(z / {1.5 * 1.5 * TEMPERATURE:g})".encode() in card


def test_a_bundle_without_a_card_is_copied_without_one(tmp_path: Path) -> None:
    original = write_bundle(tmp_path / "original")
    manifest = open_bundle(original).manifest
    manifest = replace(manifest, files={**manifest.files, "README.md": entry(b"# Card\n")})
    (original / MANIFEST_NAME).write_text(dump_manifest(manifest))
    bundle = open_bundle(original)
    write_copy(bundle, tmp_path / "copy", bundle.manifest, card_section=CardSection("## More\n"))
    assert "README.md" not in open_bundle(tmp_path / "copy").manifest.files
    assert not (tmp_path / "copy" / "README.md").exists()


def test_an_altered_bundle_is_not_copied(tmp_path: Path) -> None:
    original = write_bundle(tmp_path / "original")
    bundle = open_bundle(original)
    graph = original / "onnx" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleCorruptError, match="altered"):
        write_copy(bundle, tmp_path / "copy", bundle.manifest, card_section=None)
    assert [path.name for path in tmp_path.iterdir()] == ["original"]


def test_nothing_is_overwritten(tmp_path: Path, tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        write_copy(bundle, tmp_path / "file", bundle.manifest, card_section=None)
    with pytest.raises(UsageError, match="is not a folder"):
        write_copy(bundle, tmp_path / "none" / "copy", bundle.manifest, card_section=None)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("balanced", "already"),
        ("", "plain name"),
        ("-x", "plain name"),
        ("a b", "plain name"),
        ("x" * 65, "plain name"),
    ],
)
def test_profile_names(tiny_bundle: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        add_profile(open_bundle(tiny_bundle).manifest, name, CHOICE, default=True)


def test_identity_follows_scores_and_nothing_else(tiny_bundle: Path) -> None:
    manifest = open_bundle(tiny_bundle).manifest
    identity = model_identity(manifest)
    assert model_identity(replace(manifest, name="other", thresholds={})) == identity
    assert model_identity(replace(manifest, max_tokens=32)) != identity
    other = {**manifest.files, "onnx/model.onnx": entry(b"other")}
    assert model_identity(replace(manifest, files=other)) != identity
    assert model_identity(replace(manifest, calibration=replace(manifest.calibration, temperature=2))) != identity


def test_a_new_temperature_changes_no_decision_of_an_unfolded_bundle(tmp_path: Path) -> None:
    bundle = open_bundle(write_bundle(tmp_path / "original", folded=False))
    changed = with_temperature(bundle.manifest, FIT)
    assert changed.calibration.temperature == pytest.approx(1.5 * TEMPERATURE)
    assert (changed.calibration.ece_before, changed.calibration.ece_after) == (0.05, 0.01)
    for name, threshold in changed.thresholds.items():
        assert threshold.raw == RAW_THRESHOLDS[name]
        assert logit(threshold.raw) == pytest.approx(1.5 * TEMPERATURE * logit(threshold.calibrated))
    write_copy(bundle, tmp_path / "copy", changed, card_section=None)
    with Router.load(tmp_path / "copy", threads=1) as copied, Router.load(bundle.folder, threads=1) as first:
        assert copied.route("hi") == first.route("hi")


def test_a_folded_temperature_cannot_be_changed(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="folded into the graph"):
        with_temperature(open_bundle(tiny_bundle).manifest, FIT)
