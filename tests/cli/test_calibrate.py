"""`vibe-router calibrate` from the command line to the bundle's copy."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.bundles import write_bundle
from tests.support.command_line import CommandLine, Finished
from vibe_router import Router
from vibe_router_tools.evaluation.dataset import read_labelled

ONE_THREAD = ("--threads", "1")


def json_of(done: Finished) -> dict[str, object]:
    assert (done.code, done.error) == (0, "")
    result: dict[str, object] = json.loads(done.out)
    return result


def test_a_profile_for_a_cloud_rate_is_written_into_a_copy(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "mine"
    arguments = ("--target-cloud-rate", "0.65", "--profile", "mine", "-o", copy, *ONE_THREAD)
    result = json_of(vibe_router("calibrate", labelled, "-b", tiny_bundle, "--json", *arguments))
    assert result["output"] == str(copy)
    manifest = json.loads((copy / "router.json").read_text())
    assert manifest["thresholds"]["mine"] == result["threshold"]
    assert manifest["default_profile"] == "mine"
    kept = tmp_path / "kept"
    named = ("--target-cloud-rate", "0.65", "--profile", "mine", "-o", kept, "--keep-default", *ONE_THREAD)
    done = vibe_router("calibrate", labelled, "-b", tiny_bundle, *named)
    assert (done.code, done.out.splitlines()[-1]) == (0, f"wrote {kept} with the profile mine")
    assert json.loads((kept / "router.json").read_text()) == {**manifest, "default_profile": "balanced"}
    assert "mine" not in json.loads((tiny_bundle / "router.json").read_text())["thresholds"]
    with Router.load(copy, profile="mine", threads=1) as router:
        decisions = [router.route(prompt).target.value for prompt in read_labelled(labelled).prompts]
    assert decisions.count("cloud") / len(decisions) == pytest.approx(0.65, abs=0.03)
    again = vibe_router("calibrate", labelled, "-b", tiny_bundle, *arguments)
    assert again.code == 2
    assert "exists" in again.error


def test_strong_model_pct_is_the_same_option(vibe_router: CommandLine, tiny_bundle: Path, labelled: Path) -> None:
    first, second = (
        json_of(vibe_router("calibrate", labelled, "-b", tiny_bundle, option, "0.65", "--json", *ONE_THREAD))
        for option in ("--target-cloud-rate", "--strong-model-pct")
    )
    assert first == second


def test_a_profile_for_catastrophic_misses(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, router: Router
) -> None:
    options = ("--max-catastrophic-miss", "0.03", "--miss-bound", "0.8", "--json", *ONE_THREAD)
    result = json_of(vibe_router("calibrate", labelled, "-b", tiny_bundle, *options))
    assert isinstance(result["threshold"], dict)
    threshold = result["threshold"]["calibrated"]
    data = read_labelled(labelled)
    kept = np.array([router.route(prompt).p_cloud <= threshold for prompt in data.prompts])
    assert 0 < np.mean(kept & (data.preference >= 0.8)) <= 0.03


def test_histograms_of_two_machines_give_what_one_pass_gives(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    lines = labelled.read_bytes().splitlines(keepends=True)
    whole = json_of(
        vibe_router("calibrate", labelled, "-b", tiny_bundle, "--max-catastrophic-miss", "0.05", "--json", *ONE_THREAD)
    )
    for name, part in (("a", lines[:400]), ("b", lines[400:900])):
        saved = ("--save-histogram", tmp_path / f"{name}.json", *ONE_THREAD)
        done = vibe_router("calibrate", "-", "-b", tiny_bundle, *saved, stdin=b"".join(part))
        assert done.code == 0, done.error
    merge = ("--merge", tmp_path / "a.json", "--merge", tmp_path / "b.json", "--max-catastrophic-miss", "0.05")
    rest = b"".join(lines[900:])
    merged = vibe_router("calibrate", "-", "-b", tiny_bundle, *merge, "--json", *ONE_THREAD, stdin=rest)
    assert json_of(merged) == whole
    only = json_of(vibe_router("calibrate", "-b", tiny_bundle, *merge[:4], *("--strong-model-pct", "0.5"), "--json"))
    assert only["prompts"] == 900


def test_histograms_of_another_bundle_are_refused(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "a.json"
    assert vibe_router("calibrate", labelled, "-b", tiny_bundle, "--save-histogram", saved, *ONE_THREAD).code == 0
    other = write_bundle(tmp_path / "other", temperature=2.0)
    done = vibe_router("calibrate", "-b", other, "--merge", saved, "--target-cloud-rate", "0.5")
    assert done.code == 1
    assert "different model cannot be merged" in done.error


def test_too_few_prompts_are_refused_and_nothing_is_written(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    few = b"".join(labelled.read_bytes().splitlines(keepends=True)[:100])
    arguments = ("--target-cloud-rate", "0.65", "--profile", "mine", "-o", tmp_path / "mine", *ONE_THREAD)
    done = vibe_router("calibrate", "-", "-b", tiny_bundle, *arguments, stdin=few)
    assert done.code == 1
    assert re.search(r"100 prompts are too few .* about \d+ are needed", done.error)
    assert not list(tmp_path.iterdir())


def test_bad_rows_are_named_and_nothing_is_written(vibe_router: CommandLine, tiny_bundle: Path, tmp_path: Path) -> None:
    saved = tmp_path / "a.json"
    for row, said in (("[]", "stdin:2: not a JSON object"), ('{"prompt": ""}', "stdin:2: no prompt")):
        stdin = f'{{"prompt": "a"}}\n{row}\n'.encode()
        done = vibe_router("calibrate", "-", "-b", tiny_bundle, "--save-histogram", saved, *ONE_THREAD, stdin=stdin)
        assert done.code == 1
        assert said in done.error
        assert not list(tmp_path.iterdir())


def test_misses_need_labels(vibe_router: CommandLine, tiny_bundle: Path) -> None:
    stdin = b'{"prompt": "a"}\n'
    done = vibe_router("calibrate", "-", "-b", tiny_bundle, "--max-catastrophic-miss", "0.1", stdin=stdin)
    assert done.code == 1
    assert "no label" in done.error


def test_temperature_of_a_folded_bundle_is_reported(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    arguments = ("calibrate", labelled, "-b", tiny_bundle, "--temperature", *ONE_THREAD)
    result = json_of(vibe_router(*arguments, "--json", "--plots", tmp_path / "plots"))
    fit = result["fit"]
    assert isinstance(fit, dict)
    assert fit["temperature"] > 1.3
    assert fit["ece_after"] < fit["ece_before"]
    assert (fit["bins"], fit["binning"], fit["rows"]) == (15, "equal-count", 1500)
    assert result["new_temperature"] == pytest.approx(1.083 * fit["temperature"])
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"reliability.png", "reliability.svg"}
    assert f"--temperature {result['new_temperature']:.6g}" in vibe_router(*arguments).out
    refused = vibe_router(*arguments, "-o", tmp_path / "copy")
    assert refused.code == 2
    assert "folded into the graph" in refused.error
    assert not (tmp_path / "copy").exists()


def test_both_kinds_of_bundle_find_one_temperature(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    unfolded = write_bundle(tmp_path / "unfolded", folded=False)
    common = ("calibrate", labelled, "--temperature", "--json", *ONE_THREAD)
    first = json_of(vibe_router(*common, "-b", tiny_bundle))
    second = json_of(vibe_router(*common, "-b", unfolded, "-o", tmp_path / "copy"))
    assert second["new_temperature"] == pytest.approx(first["new_temperature"], rel=1e-4)
    manifest = json.loads((tmp_path / "copy" / "router.json").read_text())
    assert manifest["calibration"]["temperature"] == second["new_temperature"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--target-cloud-rate", "65"),
        ("--target-cloud-rate", "0.5", "--temperature"),
        ("--target-cloud-rate", "0.5", "--tolerance", "0"),
        ("--target-cloud-rate", "0.5", "--confidence", "95"),
        ("--target-cloud-rate", "0.5", "--profile", "mine"),
        ("--target-cloud-rate", "0.5", "--keep-default"),
        ("--target-cloud-rate", "0.5", "--output", "none"),
        ("--target-cloud-rate", "0.5", "--profile", "balanced", "--output", "none"),
        ("--target-cloud-rate", "0.5", "--plots", "none"),
        ("--max-catastrophic-miss", "0.6"),
        ("--temperature", "--profile", "mine"),
        ("--temperature", "--log", "log.sqlite3"),
        ("--temperature", "--where", "day=mon"),
        ("--temperature", "--keep-default"),
        ("--save-histogram", "/"),
    ],
)
def test_wrong_options(vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, arguments: tuple[str, ...]) -> None:
    done = vibe_router("calibrate", labelled, "-b", tiny_bundle, *arguments)
    assert done.code == 2, done.error
    assert done.out == ""


def test_nothing_to_count(vibe_router: CommandLine, tiny_bundle: Path) -> None:
    done = vibe_router("calibrate", "-b", tiny_bundle, "--target-cloud-rate", "0.5")
    assert done.code == 2
    assert "--merge" in done.error


@pytest.mark.parametrize("goal", [("--target-cloud-rate", "0.5"), ("--temperature",)])
def test_missing_scipy_is_named(
    vibe_router: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tiny_bundle: Path,
    labelled: Path,
    goal: tuple[str, ...],
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    done = vibe_router("calibrate", labelled, "-b", tiny_bundle, *goal)
    assert done.code == 2
    assert "pip install '.[eval]'" in done.error
