from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

CHAT = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "explain quantum"},
    {"role": "assistant", "content": "..."},
    {"role": "user", "content": "why?"},
]


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    path.write_text(
        json.dumps({"messages": CHAT, "cloud": [0.1, 0.9, 0.8]}) + "\n" + json.dumps({"messages": CHAT[:2]})
    )
    return path


def test_all_ways_are_judged_at_the_share_that_is_asked_for(
    vibe_router: CommandLine, tiny_bundle: Path, chats: Path
) -> None:
    arguments = ("eval", chats, "--conversations", "--share", "0.5", "--bundle", tiny_bundle, "--threads", "1")
    figures = json.loads(vibe_router(*arguments, "--json").out)["conversations"]
    assert (figures["conversations"], figures["turns"], figures["labelled"], figures["share"]) == (2, 4, 1, 0.5)
    names = [way["name"] for way in figures["ways"]]
    assert names == ["last turn", "whole history", "hysteresis", "latching", "route_chat"]
    assert all(set(way["regret"]) == {"0.0", "0.1", "0.2", "0.4"} for way in figures["ways"])
    shown = vibe_router(*arguments).out
    assert all(name in shown for name in names)
    assert "Regret" in shown


def test_wrong_arguments_and_rows_are_named(vibe_router: CommandLine, chats: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text("")
    nothing = vibe_router("eval", other, "--conversations")
    assert (nothing.code, "no conversations" in nothing.error) == (1, True)
    share = vibe_router("eval", chats, "--conversations", "--share", "2")
    assert (share.code, "--share 2" in share.error) == (2, True)
    unused = ("--report r", "--plots p", "--thresholds 0.5", "--miss-bound 0.8", "--bins 3", "--binning equal-width")
    more = ("--resamples 9", "--confidence 0.9", "--seed 1", "--tau 0.1")
    wrong = [("--conversations", *option.split()) for option in (*unused, *more)]
    for arguments in (*wrong, ("--share", "0.5")):
        refused = vibe_router("eval", chats, *arguments)
        assert (refused.code, "--conversations" in refused.error) == (2, True)
    other.write_text('{"messages": 3}')
    bad = vibe_router("eval", other, "--conversations")
    assert (bad.code, "other.jsonl:1" in bad.error) == (1, True)


def test_a_byte_order_mark_is_no_part_of_the_first_conversation(
    vibe_router: CommandLine, tiny_bundle: Path, chats: Path
) -> None:
    chats.write_bytes(b"\xef\xbb\xbf" + chats.read_bytes())
    done = vibe_router("eval", chats, "--conversations", "--bundle", tiny_bundle, "--threads", "1", "--json")
    assert (done.code, done.error) == (0, "")
    assert json.loads(done.out)["conversations"]["conversations"] == 2
