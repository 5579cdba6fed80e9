from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.bundles import RAW_THRESHOLDS, TEMPERATURE, tiny_logit, write_bundle
from tests.support.prompts import mixed_prompts
from vibe_router import Decision, Reason, Router, Target
from vibe_router.bundle.bundle import open_bundle
from vibe_router.errors import EngineError, PromptError, UsageError
from vibe_router.policy import sigmoid
from vibe_router.progress import Progress
from vibe_router.text.tokenizer import PromptTokenizer


def same(one: Decision, other: Decision) -> bool:
    close = math.isclose(one.p_cloud, other.p_cloud, abs_tol=1e-5)
    fields = ("target", "threshold", "tokens", "truncated", "engine", "reason")
    return close and all(getattr(one, name) == getattr(other, name) for name in fields)


def test_a_decision_is_the_score_of_the_ids(router: Router) -> None:
    decision = router.route("explain quantum entanglement")
    ids = router.tokenizer.encode("explain quantum entanglement").ids
    assert decision.p_cloud == pytest.approx(sigmoid(tiny_logit(ids.tolist()) / TEMPERATURE), abs=1e-6)
    assert (decision.tokens, decision.truncated) == (len(ids), False)
    assert (decision.engine, decision.reason) == ("onnx-cpu", Reason.SCORE)
    assert decision.target is (Target.CLOUD if decision.p_cloud > decision.threshold else Target.DEVICE)


def test_a_decision_says_by_whose_threshold_and_which_bundle(router: Router) -> None:
    manifest = router.bundle.manifest
    decision = router.route("hi", profile="aggressive")
    assert (decision.profile, decision.bundle, decision.bundle_version) == (
        "aggressive",
        manifest.name,
        manifest.version,
    )
    assert router.route("hi").profile == manifest.default_profile
    assert router.route("hi", threshold=0.5).profile is None


def test_a_decision_has_an_id_of_its_own_and_its_time(router: Router) -> None:
    decisions = [router.route("hi"), *router.route_many(["hi"] * 100)]
    assert len({decision.id for decision in decisions}) == 101
    assert all(decision.latency_ms > 0 for decision in decisions)


def test_a_long_prompt_is_cut_and_says_so(router: Router) -> None:
    decision = router.route("what is 2+2? " * 100)
    assert decision.tokens == 64
    assert decision.truncated


def test_a_thousand_mixed_prompts_together_are_decided_as_one_by_one(router: Router) -> None:
    prompts = mixed_prompts(1000)
    together = router.route_many(prompts)
    alone = [router.route(prompt) for prompt in prompts]
    assert all(map(same, together, alone))
    assert len(together) == 1000
    assert {decision.target for decision in alone} == set(Target)
    assert {decision.truncated for decision in alone} == {False, True}


def test_any_iterable_of_prompts_will_do(router: Router) -> None:
    assert router.route_many([]) == []
    assert router.route_many(iter(("hi", "hello"))) == router.route_many(["hi", "hello"])


def test_a_text_is_not_taken_for_a_list_of_prompts(router: Router) -> None:
    with pytest.raises(UsageError, match="several"):
        router.route_many("hi")


def test_a_stream_holds_no_more_than_a_chunk(router: Router) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"prompt {taken}"

    stream = router.route_stream(endless(), chunk=8)
    for count in range(1, 50):
        next(stream)
        assert count <= taken <= count + 8


def test_a_stream_answers_what_came_before_a_failure(router: Router) -> None:
    def failing() -> Iterator[str]:
        yield from ("hi", "hello", "what")
        raise OSError("the pipe broke")

    received = []
    with pytest.raises(OSError, match="pipe"):  # noqa: PT012 - what was received before the failure counts
        for decision in router.route_stream(failing()):
            received.append(decision)
    assert received == router.route_many(["hi", "hello", "what"])


def test_a_bad_prompt_among_many_is_named(router: Router) -> None:
    with pytest.raises(PromptError, match=r"prompt 2: .*combining"):
        router.route_many(["hi", "hello", "\u0301" * 10_000, "what"])


def test_progress_counts_the_prompts(router: Router) -> None:
    events: list[Progress] = []
    router.route_many(["a", "b", "c"], progress=events.append)
    assert events == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]


class BatchSensitive:
    """An engine whose logit moves with the batch, as int8 with one activation scale a batch does."""

    name, file, precision = "fake", "onnx/model.onnx", "int8"

    def __init__(self, shift: float, batch_band: float) -> None:
        self.shift, self.batch_band = shift, batch_band

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        shift = self.shift if len(sequences) > 1 else 0.0
        return np.full(len(sequences), shift, np.float32)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("band", "shift"), [(1e-4, 1e-5), (0.02, 0.05)])
def test_batching_never_changes_a_decision_near_the_threshold(tmp_path: Path, band: float, shift: float) -> None:
    bundle = open_bundle(write_bundle(tmp_path / "b"))
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=64)
    router = Router(bundle, tokenizer, BatchSensitive(shift, band))
    alone = router.route("hi", threshold=0.5)
    assert router.route_many(["hi"] * 4, threshold=0.5) == [alone] * 4
    assert alone.target is Target.DEVICE


def test_profiles_and_thresholds_replace_each_other(router: Router) -> None:
    default = router.route("hi")
    assert default.threshold == router.route("hi", profile="balanced").threshold
    thresholds = [router.route("hi", profile=name).threshold for name in RAW_THRESHOLDS]
    assert thresholds == sorted(thresholds)
    assert router.route("hi", threshold=0.0).target is Target.CLOUD
    assert router.route("hi", threshold=1.0).target is Target.DEVICE


def test_a_router_has_a_profile_of_its_own(tiny_bundle: Path, router: Router) -> None:
    with Router.load(tiny_bundle, profile="aggressive", threads=1) as aggressive:
        assert aggressive.route("hi") == router.route("hi", profile="aggressive")


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "balancd"},
        {"threshold": 1.5},
        {"threshold": math.nan},
        {"profile": "balanced", "threshold": 0.5},
    ],
)
def test_wrong_thresholds_are_usage_errors(router: Router, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        router.route("hi", **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        router.route_many(["hi"], **options)  # type: ignore[arg-type]


def test_an_unknown_profile_is_refused_before_anything_is_loaded(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Router.load(tiny_bundle, profile="balancd")
    assert "did you mean 'balanced'" in caught.value.hint


def test_a_forbidden_cloud_is_never_chosen(router: Router) -> None:
    decisions = router.route_many(mixed_prompts(50), threshold=0.0, allow_cloud=False)
    assert {(decision.target, decision.reason) for decision in decisions} == {(Target.DEVICE, Reason.PINNED)}
    assert all(decision.p_cloud > 0.0 for decision in decisions)


def test_an_unfolded_bundle_decides_like_the_folded_one(tmp_path: Path, router: Router) -> None:
    prompts = mixed_prompts(300, seed=9)
    with Router.load(write_bundle(tmp_path / "raw", folded=False), threads=1) as raw:
        for profile, threshold in RAW_THRESHOLDS.items():
            unfolded = raw.route_many(prompts, profile=profile)
            folded = router.route_many(prompts, profile=profile)
            assert [item.target for item in unfolded] == [item.target for item in folded]
            assert unfolded[0].threshold == threshold


def test_a_closed_router_gives_no_decision(tiny_bundle: Path) -> None:
    with Router.load(tiny_bundle, threads=1) as closed:
        pass
    with pytest.raises(EngineError, match="closed"):
        closed.route("hi")
