from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.bundles import replace_file, write_bundle
from tests.support.command_line import CommandLine, Finished
from tests.support.prompts import mixed_prompts
from vibe_router import Router, __version__
from vibe_router_tools.console.output import decision_fields


def in_a_process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, without colours and without the network."""
    done = subprocess.run(
        [sys.executable, "-m", "vibe_router_tools", *map(str, arguments)],
        capture_output=True,
        env=os.environ | {"NO_COLOR": "1", "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


class Command(Protocol):
    def __call__(self, *arguments: str | Path, stdin: bytes = b"", code: int = 0) -> Finished:
        """Run a command, which must end with this exit code."""
        ...


@pytest.fixture
def run(vibe_router: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def call(*arguments: str | Path, stdin: bytes = b"", code: int = 0) -> Finished:
        finished = vibe_router(*arguments, stdin=stdin)
        assert finished.code == code, finished.error
        return finished

    return call


@pytest.fixture
def route(run: Command, tiny_bundle: Path) -> Command:
    """Route with the tiny bundle, if no other one is named."""

    def call(*arguments: str | Path, stdin: bytes = b"", code: int = 0) -> Finished:
        bundle = () if "--bundle" in arguments else ("--bundle", tiny_bundle)
        return run("route", *arguments, *bundle, "--threads", "1", stdin=stdin, code=code)

    return call


def error_of(result: Finished) -> str:
    """Return the error, having checked that stdout is free for results and a hint says what to do."""
    first, second = result.error.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
    return first


def settled(decision: dict[str, Any]) -> dict[str, Any]:
    """Return a decision without what differs from one call to the next."""
    return {key: value for key, value in decision.items() if key not in {"id", "latency_ms"}}


def test_one_prompt_as_json_is_the_librarys_decision(tiny_bundle: Path, router: Router) -> None:
    result = in_a_process("route", "what is 2+2?", "--json", "--bundle", tiny_bundle, "--threads", "1")
    assert settled(json.loads(result.stdout)) == settled(decision_fields(router.route("what is 2+2?")))
    assert result.stderr == ""


def test_one_prompt_for_people_is_one_line(route: Command, router: Router) -> None:
    (line,) = route("hi").out.splitlines()
    assert line.startswith(router.route("hi").target.value)


def test_stdin_is_one_prompt_without_its_last_line_end(route: Command, router: Router) -> None:
    result = route("-", "--json", stdin="hi\nthère\n".encode())
    assert settled(json.loads(result.out)) == settled(decision_fields(router.route("hi\nthère")))


def test_a_thousand_prompts_streamed_are_decided_as_one_by_one(route: Command, router: Router, tmp_path: Path) -> None:
    prompts = mixed_prompts(1000)
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": prompt, "id": 1}) + "\n" for prompt in prompts))
    rows = [json.loads(line) for line in route("--input", file, "--json").out.splitlines()]
    assert [row["line"] for row in rows] == list(range(1, 1001))
    for row, prompt in zip(rows, prompts, strict=True):
        alone = decision_fields(router.route(prompt))
        assert row["p_cloud"] == pytest.approx(alone["p_cloud"], abs=1e-5)
        same = ("target", "tokens", "truncated", "threshold", "engine", "reason")
        assert [row[name] for name in same] == [alone[name] for name in same]


def test_an_endless_stream_is_answered_as_it_comes(tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "vibe_router_tools", "route", "--input", "-", "--chunk", "1", "--threads", "1"]
    with subprocess.Popen(
        [*command, "--bundle", str(tiny_bundle)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(1, 4):
            process.stdin.write('"hello"\n')
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{number}\t")
        process.stdin.close()
    assert process.returncode == 0


def test_strings_and_objects_and_empty_lines_are_rows(route: Command) -> None:
    result = route("--input", "-", "--json", stdin=b'"hi"\n\n  \n{"prompt": "hi"}')
    first, second = map(json.loads, result.out.splitlines())
    assert (first.pop("line"), second.pop("line")) == (1, 4)
    assert settled(first) == settled(second)


def test_the_other_keys_of_a_row_come_with_its_decision(route: Command) -> None:
    row = {"prompt": "hi", "id": "row 7", "tags": ["a", {"b": None}], "line": 99, "target": "mine"}
    result = route("--input", "-", "--json", stdin=json.dumps(row).encode() + b'\n"hi"\n')
    first, second = map(json.loads, result.out.splitlines())
    assert (first["id"], first["tags"], first["line"]) == ("row 7", ["a", {"b": None}], 1)
    assert "prompt" not in first
    assert first["target"] in {"device", "cloud"}
    assert len(second["id"]) == 16


@pytest.mark.parametrize(
    "row",
    [
        b"nonsense",
        b"3",
        b'{"text": "a"}',
        b'{"prompt": null}',
        b'"\xff"',
        b"[" * 5000,
        b'{"prompt": "a", "prompt": "b"}',
    ],
)
def test_a_bad_row_is_named_and_the_rows_before_it_are_answered(route: Command, row: bytes) -> None:
    result = route("--input", "-", stdin=b'"a"\n"b"\n' + row + b'\n"c"\n', code=1)
    assert len(result.out.splitlines()) == 2
    assert "stdin:3: " in error_of(result)


def test_a_byte_order_mark_before_the_first_row_is_no_part_of_it(route: Command) -> None:
    rows = b'\xef\xbb\xbf{"prompt": "hi"}\n'
    marked, plain = (route("--input", "-", stdin=stdin).out for stdin in (rows, rows[3:]))
    assert marked == plain


def test_a_prompt_that_cannot_be_routed_is_named_and_those_before_it_are_answered(route: Command) -> None:
    result = route("--input", "-", stdin=b'"a"\n\n"' + b"\\u0301" * 10_000 + b'"\n"c"\n', code=8)
    assert len(result.out.splitlines()) == 1
    assert "stdin:3: the prompt has 1024 combining" in error_of(result)


def test_a_late_score_gives_the_fallback_or_an_error(route: Command) -> None:
    late = json.loads(route("hi", "--timeout", "0", "--fallback", "cloud", "--json").out)
    assert (late["target"], late["reason"], late["p_cloud"], late["margin"]) == ("cloud", "fallback", None, None)
    assert "no score" in route("hi", "--timeout", "0", "--fallback", "device").out
    assert "timeout" in route("hi", "--timeout", "0", code=1).error
    pinned = json.loads(route("hi", "--timeout", "0", "--no-cloud", "--json").out)
    assert (pinned["target"], pinned["reason"]) == ("device", "pinned")


def test_options_reach_the_router(route: Command) -> None:
    assert json.loads(route("hi", "--threshold", "0", "--json").out)["target"] == "cloud"
    pinned = json.loads(route("hi", "--threshold", "0", "--no-cloud", "--json").out)
    assert (pinned["target"], pinned["reason"]) == ("device", "pinned")
    aggressive = json.loads(route("hi", "--profile", "aggressive", "--json").out)
    assert aggressive["threshold"] == pytest.approx(0.9858, abs=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [(), ("hi", "--input", "-"), ("--input", "-", "--timeout", "1"), ("hi", "--profile", "balancd"),
     ("hi", "--threshold", "2"), ("hi", "--profile", "balanced", "--threshold", "0.5")],
)  # fmt: skip
def test_wrong_usage_is_exit_2(route: Command, arguments: tuple[str, ...]) -> None:
    error_of(route(*arguments, code=2))


def test_an_unknown_option_is_exit_2(route: Command) -> None:
    assert "--bogus" in route("hi", "--bogus", code=2).error


def test_a_missing_input_file_is_exit_1(route: Command, tmp_path: Path) -> None:
    assert "No such file" in error_of(route("--input", tmp_path / "none.jsonl", code=1))


def test_a_missing_bundle_is_exit_3(run: Command, tmp_path: Path) -> None:
    for command in (("route", "hi", "--bundle"), ("verify",), ("inspect",)):
        error_of(run(*command, tmp_path / "nothing", code=3))


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "golden.jsonl", "onnx/model.onnx", "router.json"])
@pytest.mark.parametrize("damage", ["missing", "altered", "cut"])
def test_a_corrupt_bundle_is_exit_4(route: Command, tmp_path: Path, name: str, damage: str) -> None:
    path = write_bundle(tmp_path / "b") / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"!" + content[1:] if damage == "altered" else content[: len(content) // 2])
    no_manifest = (name, damage) == ("router.json", "missing")
    result = route("hi", "--bundle", tmp_path / "b", code=3 if no_manifest else 4)
    assert result.out == ""
    assert name in error_of(result)


def test_an_unknown_schema_is_exit_5(route: Command, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b") / "router.json"
    path.write_text(path.read_text().replace("vibe-router-bundle/1", "vibe-router-bundle/9"))
    assert "vibe-router-bundle/9" in error_of(route("hi", "--bundle", tmp_path / "b", code=5))


@pytest.mark.parametrize("options", [("--engine", "onx-cpu"), ("--engine", "onnx-cuda"), ("--precision", "int8")])
def test_an_engine_that_is_not_there_is_exit_6(route: Command, options: tuple[str, str]) -> None:
    error_of(route("hi", *options, code=6))


def test_verify_shows_the_parity_and_passes(run: Command, tiny_bundle: Path) -> None:
    assert "passed" in run("verify", tiny_bundle, "--threads", "1").out
    report = json.loads(run("verify", tiny_bundle, "--threads", "1", "--json").out)
    assert report["passed"]
    assert report["max_abs_logit_difference"] < 1e-5
    assert [item["flips"] for item in report["profiles"]] == [0] * 5


def test_a_failed_parity_is_exit_7_and_still_shows_the_report(run: Command, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    golden = [json.loads(line) for line in (folder / "golden.jsonl").read_text().splitlines()]
    golden[1]["logit"] += 1.0
    replace_file(folder, "golden.jsonl", "".join(json.dumps(row) + "\n" for row in golden).encode())
    result = run("verify", folder, "--json", "--threads", "1", code=7)
    assert json.loads(result.out)["worst_prompt"] == 1
    assert "golden prompt 1" in error_of(result)


def test_a_prompt_that_is_no_unicode_is_exit_8(route: Command) -> None:
    assert "UTF-8" in error_of(route("-", stdin=b"\xff", code=8))


def test_inspect_shows_what_is_proven_and_what_is_not(run: Command, tiny_bundle: Path) -> None:
    shown = run("inspect", tiny_bundle).out
    assert all(word in shown for word in ("tiny", "balanced", "0.938126", "proven against numpy", "golden.jsonl"))
    manifest = json.loads(run("inspect", tiny_bundle, "--json").out)
    assert manifest["engines"][0]["proven"] is True
    assert manifest["max_tokens"] == 64


def test_inspect_calls_an_engine_without_parity_unproven(run: Command, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    manifest = json.loads((folder / "router.json").read_text())
    manifest["engines"][0]["parity"] = None
    (folder / "router.json").write_text(json.dumps(manifest))
    assert "unproven" in run("inspect", folder).out


def test_doctor_tells_the_machine_and_the_bundle(run: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    facts = json.loads(run("doctor", tiny_bundle, "--json").out)
    assert facts["vibe-router"] == __version__
    assert "CPUExecutionProvider" in facts["execution providers"]
    assert facts["threads"] >= 1
    assert facts["bundle"].startswith("tiny 1")
    assert "no bundle" in run("doctor", tmp_path / "none", code=3).out


def test_doctor_shows_a_cache_without_a_home_as_it_is_named(
    run: Command, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "~nobody-here/hub")
    assert "~nobody-here/hub" in run("doctor", tiny_bundle).out


def test_help_and_version_name_the_command() -> None:
    assert in_a_process("--version").stdout == f"vibe-router {__version__}\n"
    shown = in_a_process("--help").stdout
    assert all(command in shown for command in ("route", "verify", "inspect", "doctor"))


def test_no_escape_codes_go_into_a_pipe(tiny_bundle: Path) -> None:
    for command in (("inspect", tiny_bundle), ("verify", tiny_bundle), ("doctor", tiny_bundle)):
        result = in_a_process(*command)
        assert "\x1b" not in result.stdout + result.stderr
