"""Whatever is passed to a call, nothing but a typed error leaves it, and nothing allows the cloud by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.wrong_arguments import HALVES, WRONG
from vibe_router import ChatState, Router, Target
from vibe_router.errors import PromptError, UsageError


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda one: type(one).__name__ if not isinstance(one, str) else None,
)
def test_a_wrong_argument_is_a_usage_error(router: Router, name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        router.route("hello", **{name: value})
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("half", HALVES, ids=lambda half: type(half).__name__)
def test_a_number_of_any_library_is_a_number(router: Router, half: Any) -> None:
    assert router.route("hello", threshold=half) == router.route("hello", threshold=0.5)
    assert router.route("hello", timeout=half * 200) == router.route("hello")
    assert router.route("hello", timeout=-half, fallback=Target.DEVICE).p_cloud is None


@pytest.mark.parametrize("whole", [1, np.int8(1), np.uint64(1)], ids=lambda whole: type(whole).__name__)
def test_an_integer_of_any_library_is_a_number(router: Router, whole: Any) -> None:
    assert router.route("hello", threshold=whole) == router.route("hello", threshold=1.0)
    assert router.route("hello", timeout=whole + whole * 99) == router.route("hello")


@pytest.mark.parametrize("timeout", [10**400, float("inf"), 1e308, np.float64(60.0)])
def test_a_timeout_beyond_every_clock_is_none(router: Router, timeout: Any) -> None:
    assert router.route("hello", timeout=timeout) == router.route("hello")


@pytest.mark.parametrize("timeout", [-(10**400), -float("inf"), 0])
def test_a_timeout_that_has_passed_gives_the_fallback(router: Router, timeout: Any) -> None:
    assert router.route("hello", timeout=timeout, fallback=Target.DEVICE).p_cloud is None


def test_a_false_of_numpy_keeps_a_prompt_on_the_device(router: Router) -> None:
    allowed: Any = np.bool_(False)
    assert router.route("hello", threshold=0.0, allow_cloud=allowed).target is Target.DEVICE


class Evil(str):
    """A text whose methods fail."""

    def __getitem__(self, key: object) -> str:
        raise ValueError

    def isascii(self) -> bool:
        raise ZeroDivisionError

    def __len__(self) -> int:
        return 10**9


def test_a_text_of_another_class_is_its_text(router: Router) -> None:
    assert router.route(Evil("hello")) == router.route("hello")


@pytest.mark.parametrize("wrong", [*WRONG["fallback"], *WRONG["timeout"]], ids=lambda one: type(one).__name__)
def test_a_wrong_argument_of_many_prompts_is_a_usage_error(router: Router, wrong: Any) -> None:
    for name in ("on_error", "progress", "profile", "fallback"):
        with pytest.raises(UsageError):
            router.route_many(["a"], **{name: wrong})
    with pytest.raises(UsageError):
        list(router.route_stream(["a"], on_error=wrong))


@pytest.mark.parametrize("wrong", [{"pinned": "false"}, {"pinned": np.zeros(2)}, {"scorer": 5}, {"scores": []}])
def test_a_wrong_state_of_a_chat_is_a_usage_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ChatState(**wrong)


def test_what_is_no_sequence_of_prompts_is_a_usage_error(router: Router) -> None:
    wrong: Any = 5
    with pytest.raises(UsageError):
        router.route_many(wrong)
    with pytest.raises(PromptError):
        router.route_many(["a", wrong])
    for chunk in ("x", 0, None, 1.5):
        with pytest.raises(UsageError):
            list(router.route_stream(["a"], chunk=chunk))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"threads": "2"}, {"threads": 1.5}, {"threads": 0}, {"threads": 10**9}, {"engine": 5}, {"precision": 5}]
)
def test_a_wrong_choice_of_engine_is_a_usage_error(tiny_bundle: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Router.load(tiny_bundle, **wrong)
