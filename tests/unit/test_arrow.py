"""Columns in, columns out: rows keep their order, their other columns and each its own fate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.support.faulty import broken, router_with
from tests.support.native_logs import row_of
from tests.support.prompts import mixed_prompts
from vibe_router import Router, Target
from vibe_router.bundle.identity import model_identity
from vibe_router.errors import EngineError, UsageError
from vibe_router.integrations.arrow import OUTPUT, ROWS, ColumnOptions, output_schema, route_table
from vibe_router.policy import sigmoid
from vibe_router_tools.calibration.keyed import CountOptions, count_rows

UNCUTTABLE = "\u0301" * 10_000
CHAT = [
    {"role": "user", "content": "Prove that every finite integral domain is a field"},
    {"role": "assistant", "content": "It is one."},
    {"role": "user", "content": "ok thanks"},
]


def test_rows_are_what_route_many_decides(router: Router) -> None:
    prompts = mixed_prompts(ROWS + 300)
    table = pa.table({"day": list(range(len(prompts))), "prompt": prompts, "customer": ["a"] * len(prompts)})
    routed = route_table(router, table)
    assert routed.schema == output_schema(table.schema)
    assert routed.select(["day", "prompt", "customer"]).equals(table)
    identity = model_identity(router.bundle.manifest)
    expected = [row_of(decision, identity) for decision in router.route_many(prompts)]
    assert routed.select(OUTPUT.names).to_pylist() == expected
    assert all(row["p_cloud"] == sigmoid(row["logit"]) for row in expected)  # type: ignore[arg-type]
    assert {row["target"] for row in expected} == {"device", "cloud"}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_texts_of_every_kind_are_read(router: Router, kind: pa.DataType) -> None:
    prompts = ["hi", None, "what is 2+2?"]
    column = pa.array(prompts).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(prompts, kind)
    routed = route_table(router, pa.table({"text": column}), ColumnOptions(prompts="text", threshold=0.5))
    good = router.route_many(["hi", "what is 2+2?"], threshold=0.5)
    assert routed.column("logit").to_pylist() == [good[0].logit, None, good[1].logit]
    assert routed.column("error").to_pylist() == [None, "PromptError: the cell is null", None]


def test_a_bad_row_keeps_an_error_and_costs_the_others_nothing(router: Router) -> None:
    offsets = pa.py_buffer(np.array([0, 2, 4, 5], np.int32).tobytes())
    not_utf8 = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"hi\xff\xfeo"))
    column = pa.chunked_array([not_utf8, pa.array([UNCUTTABLE, "", None])])
    routed = route_table(router, pa.table({"prompt": column})).select(OUTPUT.names).to_pylist()
    assert [row["error"] is None for row in routed] == [True, False, True, False, True, False]
    assert "UTF-8" in routed[1]["error"]
    assert routed[3]["error"].startswith("PromptError: ")
    for bad in (1, 3, 5):
        assert [routed[bad][name] for name in OUTPUT.names[:6]] == [None] * 6
    good = router.route_many(["hi", "o", ""])
    assert [routed[place]["logit"] for place in (0, 2, 4)] == [decision.logit for decision in good]


def test_conversations_are_routed_as_route_chat_does(router: Router) -> None:
    chats = [CHAT, CHAT[:1], [], [{"role": "nobody", "content": "hi"}], None]
    expected = [router.route_chat(chat).decision for chat in (CHAT, CHAT[:1])]
    for column in (pa.array(chats), pa.array([None if chat is None else json.dumps(chat) for chat in chats])):
        routed = route_table(router, pa.table({"messages": column}))
        assert routed.column("logit").to_pylist() == [*(decision.logit for decision in expected), None, None, None]
        assert routed.column("reason").to_pylist()[:2] == [decision.reason.value for decision in expected]
        errors = routed.column("error").to_pylist()
        assert errors[:2] == [None, None]
        assert "messages[0].role" in errors[3]
    broken_json = route_table(router, pa.table({"messages": ["[", "{}"]})).column("error").to_pylist()
    assert all("JSON" in error for error in broken_json)


@pytest.mark.parametrize(
    ("kind", "time"),
    [
        (pa.timestamp("ns"), 1_234_567_891),
        (pa.timestamp("us"), 2**62),
        (pa.timestamp("us", "Nowhere/Zone"), 1),
        (pa.timestamp("s", "Europe/Berlin"), 1),
        (pa.date32(), 2**30),
        (pa.duration("ns"), 1),
    ],
    ids=str,
)
def test_times_of_messages_need_no_value_in_python(router: Router, kind: pa.DataType, time: int) -> None:
    times = pa.array([time], pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    parts = [pa.array(["user"]), pa.array(["hi"]), times]
    message = pa.StructArray.from_arrays(parts, names=["role", "content", "at"])
    table = pa.table({"messages": pa.ListArray.from_arrays([0, 1], message)})
    routed = route_table(router, table)
    assert routed.column("messages").equals(table.column("messages"))
    assert routed.column("logit").to_pylist() == [router.route_chat([{"role": "user", "content": "hi"}]).decision.logit]
    assert count_rows(routed, CountOptions(text="messages")).num_rows == 1


def test_a_message_that_has_a_part_twice_costs_the_others_nothing(router: Router) -> None:
    message = pa.StructArray.from_arrays([pa.array(["user"]), pa.array(["hi"])], names=["role", "role"])
    table = pa.table({"messages": pa.ListArray.from_arrays([0, 1], message)})
    assert "no value" in route_table(router, table).column("error")[0].as_py()


def test_parts_that_some_messages_lack_are_none(router: Router) -> None:
    parts = [[{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": "x"}]}]]
    routed = route_table(router, pa.table({"log": parts}), ColumnOptions(messages="log")).to_pylist()[0]
    assert routed["target"] == router.route_chat(parts[0]).target.value
    assert (routed["reason"], routed["error"], routed["p_cloud"]) == ("required", None, None)


def test_a_row_at_which_the_engine_fails_is_found(tiny_bundle: Path) -> None:
    calls: list[int] = []

    def fail_at_the_longest(count: int) -> object:
        calls.append(count)
        raise EngineError("out of order")

    prompts = ["hi", "hello there", "word " * 60, "what"]
    with router_with(tiny_bundle, lambda count: np.zeros(count, np.float32)) as router:
        engine = router.engine
        score = engine.logits
        engine.logits = lambda sequences: (  # type: ignore[method-assign]
            fail_at_the_longest(len(sequences)) if max(map(len, sequences)) > 60 else score(sequences)
        )
        routed = route_table(router, pa.table({"prompt": prompts}))
        assert routed.column("logit").to_pylist() == [0.0, 0.0, None, 0.0]
        assert routed.column("error").to_pylist() == [None, None, "EngineError: out of order", None]
        fallen = route_table(router, pa.table({"prompt": prompts}), ColumnOptions(fallback=Target.DEVICE))
        assert fallen.column("reason").to_pylist() == ["score", "score", "fallback", "score"]
        assert fallen.column("error").to_pylist()[2] == "EngineError: the engine gave no score"


def test_an_engine_that_fails_at_every_row_is_no_rows_fault(tiny_bundle: Path) -> None:
    with router_with(tiny_bundle, broken(EngineError("out of order"))) as router:
        with pytest.raises(EngineError, match="out of order"):
            route_table(router, pa.table({"prompt": ["hi", "hello", None]}))
        with pytest.raises(EngineError, match="out of order"):
            route_table(router, pa.table({"messages": [CHAT]}))


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"text": ["hi"]}, ColumnOptions(), "no column 'messages'"),
        ({"prompt": ["hi"]}, ColumnOptions(prompts="text"), "no column 'text'"),
        ({"prompt": [1]}, ColumnOptions(), "type int64"),
        ({"messages": [1.0]}, ColumnOptions(), "lists of messages"),
        ({"prompt": ["hi"], "target": ["x"]}, ColumnOptions(), "column 'target' already"),
        ({"prompt": ["hi"]}, ColumnOptions(prompts="prompt", messages="prompt"), "both given"),
        ({"prompt": ["hi"]}, ColumnOptions(threshold=2.0), "outside 0..1"),
        ({"prompt": ["hi"]}, ColumnOptions(profile="nobody"), "no profile"),
    ],
)
def test_wrong_tables_are_refused(
    router: Router, columns: dict[str, list[object]], options: ColumnOptions, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        route_table(router, pa.table(columns), options)


def test_a_name_twice_is_refused(router: Router) -> None:
    twice = pa.Table.from_arrays([pa.array(["hi"]), pa.array(["hello"])], names=["prompt", "prompt"])
    with pytest.raises(UsageError, match="more than one column"):
        route_table(router, twice)


def test_a_column_that_was_guessed_to_be_of_no_type_is_nulls(router: Router) -> None:
    for name in ("prompt", "messages"):
        routed = route_table(router, pa.table({name: pa.nulls(2)}))
        assert routed.column("error").to_pylist() == ["PromptError: the cell is null"] * 2


def test_no_rows_are_routed_to_no_rows(router: Router) -> None:
    table = pa.table({"prompt": pa.array([], pa.string())})
    assert route_table(router, table).schema == output_schema(table.schema)
    assert route_table(router, table).num_rows == 0
