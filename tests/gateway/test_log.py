"""The log survives a full disk, kill -9 and older versions of itself, and `vibe-router log` reads it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from benchmarks.gateway.processes import free_port
from tests.support.command_line import CommandLine
from tests.support.gateway import EASY, HARD, Running, running
from vibe_router import Router
from vibe_router.errors import DataError
from vibe_router_gateway.log.entry import COLUMNS, Entry
from vibe_router_gateway.log.figures import status_figures, summary, used_today
from vibe_router_gateway.log.rows import iterate_scores, last_answers
from vibe_router_gateway.log.schema import STEPS, VERSION, open_log
from vibe_router_gateway.log.writer import LogWriter
from vibe_router_tools.calibration.logged import count_logged
from vibe_router_tools.calibration.sample import empty_sample


@pytest.fixture
def vibe_router(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def test_a_full_disk_costs_rows_that_are_named_later(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log.sqlite3")
    connection = writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    # SQLite's own limit gives the error that a full disk gives.
    connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        writer.add(Entry(id=f"req_{number:03}{'x' * 400}", time=time.time()))
    writer.flush()
    assert writer.lost > 0
    connection.execute("PRAGMA max_page_count = 100000")
    writer.add(Entry(id="req_after", time=time.time()))
    writer.close()
    log = open_log(tmp_path / "log.sqlite3")
    count, names = log.execute("SELECT sum(count), group_concat(ids) FROM losses").fetchone()
    written = {row[0] for row in log.execute("SELECT id FROM decisions")}
    log.close()
    assert count == writer.lost
    assert "req_after" in written
    known = names + " ".join(written)
    assert [number for number in range(200) if f"req_{number:03}" not in known] == []


def test_old_rows_that_a_full_disk_keeps_are_no_lost_rows(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log.sqlite3")
    writer.add(Entry(id="req_old", time=0.0))
    writer.flush()
    writer._connection.execute("PRAGMA query_only = ON")
    writer.purge(keep_days=1.0, keep_prompts_days=1.0)
    writer.flush()
    assert writer.lost == 0
    writer.add(Entry(id="req_lost", time=0.0))
    writer.flush()
    assert writer.lost == 1
    writer.close()


def test_text_that_waits_for_a_slow_disk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vibe_router_gateway.log.writer._MOST_TEXT", 1000)
    writer = LogWriter(tmp_path / "log.sqlite3")
    with contextlib.closing(sqlite3.connect(tmp_path / "log.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(20):
            writer.add_prompt(f"req_{number}", b"x" * 100)
        assert writer.lost == 10
        other.rollback()
    writer.flush()
    # Room again, also for one that alone is larger.
    writer.add_prompt("req_later", b"x" * 2000)
    writer.close()
    with contextlib.closing(open_log(tmp_path / "log.sqlite3")) as log:
        assert log.execute("SELECT count(*), max(id) FROM prompts").fetchone() == (11, "req_later")
        assert log.execute("SELECT sum(count) FROM losses").fetchone() == (10,)


def test_figures_are_those_of_the_last_days(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    for began in (time.time() - 10 * 86400, time.time()):
        writer = LogWriter(path)
        writer.add(Entry(id=f"req_{began}", time=began))
        writer.flush()
        writer._connection.execute("INSERT INTO feedback VALUES (?, ?, 'same')", (f"req_{began}", began))
        writer._connection.execute("INSERT INTO losses VALUES (?, 1, 7, 'full', '[]')", (began,))
        writer.close()
    LogWriter(path).close()
    few, all_of_them = summary(path, days=1), summary(path, days=100)
    names = ("outcome", "feedback", "lost_rows", "interrupted")
    assert [few[name] for name in names] == [{"open": 1}, {"same": 1}, 7, 1]
    assert [all_of_them[name] for name in names] == [{"open": 2}, {"same": 2}, 14, 2]


def test_the_99th_percentile_of_few_rows_is_the_largest(vibe_router: CommandLine, tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log.sqlite3")
    for number, first_byte in enumerate((4.3, 72.9, 3.7)):
        writer.add(Entry(id=f"req_{number}", time=time.time(), side="device", first_byte_ms=first_byte))
    writer.close()
    assert summary(tmp_path / "log.sqlite3", days=1)["latencies_ms"]["device"] == {"median": 4.3, "p99": 72.9}
    told = " ".join(vibe_router("log", "stats", "--log", tmp_path / "log.sqlite3").out.split())
    assert "device (median 4.3, p99 72.9), cloud (median none, p99 none)" in told


def test_older_logs_are_brought_to_this_version_and_newer_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(STEPS[0] + "PRAGMA user_version = 1;")
    old.execute("INSERT INTO runs (started) VALUES (1.0)")
    old.commit()
    old.close()
    log = open_log(path)
    assert log.execute("PRAGMA user_version").fetchone()[0] == VERSION
    assert log.execute("SELECT count(*) FROM feedback").fetchone()[0] == 0
    assert log.execute("SELECT started FROM runs").fetchone()[0] == 1.0
    log.execute(f"PRAGMA user_version = {VERSION + 1}")
    log.close()
    with pytest.raises(DataError, match="this program knows"):
        open_log(path)


@pytest.mark.parametrize(
    "statements", ["", "CREATE TABLE mine (a); PRAGMA user_version = 2;", "CREATE TABLE mine (a);"]
)
def test_a_file_of_another_program_stays_as_it_is(vibe_router: CommandLine, tmp_path: Path, statements: str) -> None:
    path = tmp_path / "other.sqlite3"
    path.touch()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.executescript(statements)
    before = path.read_bytes()
    for command in (("show",), ("stats",), ("export",), ("purge", "--all")):
        done = vibe_router("log", *command, "--log", path)
        assert (done.code, "is no log" in done.error) == (1, True), done.error
    assert (path.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (before, [path.name])
    if statements:
        with pytest.raises(DataError, match="is no log"):
            open_log(path, create=True)


def test_gateways_that_start_together_make_one_log(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        for number in range(5):
            path, together = tmp_path / f"{number}.sqlite3", Barrier(6)

            def begin(path: Path = path, together: Barrier = together) -> None:
                together.wait()
                open_log(path, create=True).close()

            for opened in [pool.submit(begin) for _ in range(6)]:
                opened.result()
            with contextlib.closing(sqlite3.connect(path)) as log:
                assert log.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_text_is_forgotten_while_the_gateway_runs(
    nano: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibe_router_gateway.gateway._FORGET_EVERY_S", 0.02)
    with running(nano, tmp_path, log={"log_prompts": True, "keep_prompts_days": 0}) as gateway:
        gateway.chat(EASY)
        assert len(gateway.rows()) == 1
        end = time.monotonic() + 30
        with contextlib.closing(sqlite3.connect(gateway.log)) as log:
            while log.execute("SELECT count(*) FROM prompts").fetchone() != (0,):
                assert time.monotonic() < end
                time.sleep(0.02)


def test_text_that_is_forgotten_is_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    writer = LogWriter(path)
    writer.add_prompt("req_1", b"a very private matter " * 500)
    writer.flush()
    writer.purge(keep_days=1.0, keep_prompts_days=0.0)
    writer.flush()
    assert [file.name for file in tmp_path.iterdir() if b"very private" in file.read_bytes()] == []
    writer.close()


def test_only_its_owner_may_read_the_log(gateway: Running) -> None:
    assert gateway.log.stat().st_mode & 0o077 == 0


def test_the_command_shows_sums_exports_and_deletes(gateway: Running, vibe_router: CommandLine, tmp_path: Path) -> None:
    ids = [gateway.chat(text).headers["x-request-id"] for text in (EASY, HARD)]
    gateway.rows()
    shown = vibe_router("log", "show", "--log", gateway.log, "--json")
    assert [json.loads(line)["id"] for line in shown.out.splitlines()] == ids[::-1]
    figures = json.loads(vibe_router("log", "stats", "--log", gateway.log, "--json").out)
    assert figures["side"] == {"device": 1, "cloud": 1}
    output = tmp_path / "rows.jsonl"
    assert vibe_router("log", "export", output, "--log", gateway.log).code == 0
    assert [json.loads(line)["id"] for line in output.read_text().splitlines()] == ids
    refused = vibe_router("calibrate", "--from-log", "--log", gateway.log, "--target-cloud-rate", "0.5")
    assert (refused.code, "too few" in refused.error) == (1, True)
    for unclear in ((), ("--all", "--prompts"), ("--all", "--older-than", "1")):
        assert vibe_router("log", "purge", *unclear, "--log", gateway.log).code == 2
    assert vibe_router("log", "purge", "--all", "--log", gateway.log).out == "deleted 2 rows\n"
    assert vibe_router("log", "show", "--log", tmp_path / "none").code == 1


@pytest.mark.slow
def test_a_killed_gateway_says_what_was_interrupted(gateway: Running, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "killed.sqlite3"
    url = gateway.gateway.live.settings.device.url
    command = [
        sys.executable,
        "-m",
        "vibe_router_tools",
        "serve",
        "--device",
        url,
        "--device-model",
        "m",
        "--log",
        str(log),
    ]
    process = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.PIPE, env={**os.environ})
    try:
        assert process.stderr is not None
        assert b"vibe-router serves" in process.stderr.readline()
        gateway.device.pause_s = 30
        body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": EASY}]}
        with httpx.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=30) as answer:
            assert answer.status_code == 200
            # An iterator that nobody holds is closed, and the connection with it: the client would have left.
            held = answer.iter_raw()
            next(held)
            end = time.monotonic() + 30
            while not summary(log, days=1)["n"]:
                assert time.monotonic() < end
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
            held.close()
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
    writer = LogWriter(log)
    # The next run is entered by the writer's own thread.
    end = time.monotonic() + 30
    while not summary(log, days=1)["interrupted"] and time.monotonic() < end:
        time.sleep(0.05)
    writer.close()
    assert summary(log, days=1)["interrupted"] == 1


@pytest.mark.parametrize("value", ["x'ff00'", "1e999", "'text'", "9223372036854775807"])
def test_no_value_of_a_file_ends_a_command_with_a_traceback(
    vibe_router: CommandLine, tmp_path: Path, value: str
) -> None:
    """SQLite keeps any value in any column: each in turn is printed as JSON can hold it, or the file is refused."""
    file = tmp_path / "log.sqlite3"
    writer = LogWriter(file)
    writer.add(Entry(id="req_1", time=time.time(), side="cloud", p_cloud=0.5, held_out=True, scorer="s"))
    writer.add_feedback("req_1", "cloud")
    writer.close()
    places = [("decisions", name) for name in COLUMNS] + [("feedback", "better"), ("losses", "count")]
    for number, (table, column) in enumerate(places):
        damaged = tmp_path / f"{number}.sqlite3"
        damaged.write_bytes(file.read_bytes())
        with sqlite3.connect(damaged) as connection:
            connection.execute("INSERT INTO losses VALUES (1, 1, 1, 'r', 'i')")
            connection.execute(f"UPDATE {table} SET {column} = {value}")
        connection.close()
        for asked in (("show",), ("show", "--json"), ("stats", "--json"), ("export",)):
            assert vibe_router("log", *asked, "--log", damaged).code in (0, DataError.exit_code)
        for read in (used_today, status_figures, partial(last_answers, count=5), partial(_scores, scorer="s")):
            with contextlib.suppress(DataError):
                json.dumps(read(damaged), allow_nan=False)


def _scores(file: Path, scorer: str) -> int:
    return count_logged(empty_sample("s"), iterate_scores(file, scorer=scorer)).labelled


@pytest.mark.parametrize("asked", [("stats", "--days"), ("export", "--days"), ("purge", "--older-than")])
@pytest.mark.parametrize("days", ["nan", "inf", "1e309"])
def test_days_are_numbers(vibe_router: CommandLine, tmp_path: Path, asked: tuple[str, str], days: str) -> None:
    LogWriter(tmp_path / "log.sqlite3").close()
    refused = vibe_router("log", *asked, days, "--log", tmp_path / "log.sqlite3")
    assert (refused.code, asked[1] in refused.error) == (2, True)
