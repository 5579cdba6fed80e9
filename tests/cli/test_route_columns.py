"""`vibe-router route -i LOGS -o FOLDER`: whole files, restarted where they stopped, the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from tests.support.bundles import write_bundle
from tests.support.command_line import CommandLine, Finished
from tests.support.prompts import mixed_prompts
from vibe_router import Router
from vibe_router.errors import DataError
from vibe_router.integrations.arrow import OUTPUT, route_table
from vibe_router_tools.columns import sources
from vibe_router_tools.columns.sources import find_sources

PROMPTS = mixed_prompts(500, seed=3)


def write_log(path: Path, prompts: list[str], *, row_group: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"id": range(len(prompts)), "prompt": prompts, "day": ["mon"] * len(prompts)})
    pq.write_table(table, path, row_group_size=row_group)
    return path


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    write_log(folder / "day=1" / "a.parquet", PROMPTS[:300])
    write_log(folder / "day=2" / "b.parquet", PROMPTS[300:])
    (folder / "_SUCCESS").write_text("")
    write_log(folder / ".hidden.parquet", PROMPTS[:1])
    return folder


def counts(done: Finished) -> dict[str, int]:
    assert (done.code, done.error) == (0, "")
    found: dict[str, int] = json.loads(done.out)
    return found


def test_a_folder_becomes_a_folder_with_the_same_rows(
    vibe_router: CommandLine, tiny_bundle: Path, router: Router, logs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    common = ("-i", logs, "-b", tiny_bundle, "--threads", "1", "--rows", "128", "--json")
    first = counts(vibe_router("route", "-o", out, *common))
    assert (first["files"], first["found"], first["rows"], first["errors"]) == (5, 0, 500, 0)
    assert list(digests(out)) == [
        *(f"day=1/a-0000{index}.parquet" for index in range(3)),
        *(f"day=2/b-0000{index}.parquet" for index in range(2)),
    ]
    read = [pq.ParquetFile(path).read() for path in sorted(out.rglob("*.parquet"))]
    # Part by part, because a batch of ONNX Runtime rounds by what is in it.
    parts = [PROMPTS[start:stop] for start, stop in ((0, 128), (128, 256), (256, 300), (300, 428), (428, 500))]
    expected = pa.concat_tables(route_table(router, pa.table({"prompt": part})) for part in parts)
    names = ["prompt", *OUTPUT.names]
    assert pa.concat_tables(table.select(names) for table in read).to_pylist() == expected.select(names).to_pylist()
    assert pa.concat_tables(read).column("id").to_pylist() == [*range(300), *range(200)]
    assert first["cloud"] == expected.column("target").to_pylist().count("cloud") > 0
    assert "files written: 0, there already: 5" in vibe_router("route", "-o", out, *common[:-1]).out
    again = counts(vibe_router("route", "-o", out, *common))
    assert (again["files"], again["found"], again["rows"]) == (0, 5, 0)
    other = tmp_path / "other"
    for share in ("2/2", "1/2"):
        counts(vibe_router("route", "-o", other, "--share", share, *common))
    assert digests(other) == digests(out)


def test_what_is_missing_is_written_again_and_nothing_else(
    vibe_router: CommandLine, tiny_bundle: Path, logs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    common = ("-i", f"{logs}/*/*.parquet", "-o", out, "-b", tiny_bundle, "--threads", "1", "--rows", "100", "--json")
    counts(vibe_router("route", *common))
    before = digests(out)
    (out / "day=1" / "a-00001.parquet").unlink()
    assert counts(vibe_router("route", *common))["files"] == 1
    assert digests(out) == before


@pytest.mark.parametrize("change", ["threshold", "bundle", "input", "column"])
def test_results_of_other_terms_are_not_taken_for_these(
    vibe_router: CommandLine, tiny_bundle: Path, tmp_path: Path, change: str
) -> None:
    source, out = write_log(tmp_path / "log.parquet", PROMPTS[:50]), tmp_path / "out"
    common = ("-i", source, "-o", out, "--threads", "1", "--json")
    counts(vibe_router("route", *common, "-b", tiny_bundle))
    others: tuple[str | Path, ...] = (*common, "-b", tiny_bundle)
    if change == "threshold":
        others = (*others, "--threshold", "0.5")
    elif change == "bundle":
        others = (*common, "-b", write_bundle(tmp_path / "other", temperature=2.0))
    elif change == "column":
        others = (*others, "--prompts", "day")
    else:
        write_log(source, [*PROMPTS[:49], "another"])
    before = digests(out)
    refused = vibe_router("route", *others)
    assert (refused.code, digests(out)) == (2, before)
    assert "--force" in refused.error
    assert counts(vibe_router("route", *others, "--force"))["files"] == 1
    assert digests(out) != before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-i", "{logs}/day=1/a.parquet"), 2, "need a folder"),
        (("-o", "out", "hi"), 2, "--output needs --input"),
        (("-i", "lines.jsonl", "--share", "1/2"), 2, "--share needs --output"),
        (("-i", "lines.jsonl", "--messages", "chat"), 2, "--messages needs --output"),
        (("hi", "--force"), 2, "--force needs --output"),
        (("-i", "{logs}/nothing", "-o", "out"), 2, "nothing is at"),
        (("-i", "{logs}/*.csv", "-o", "out"), 2, "no Parquet file matches"),
        (("-i", "{logs}/../empty", "-o", "out"), 2, "no Parquet file is below"),
        (("-i", "{logs}/../bad.parquet", "-o", "{logs}/../out"), 1, "is no Parquet file"),
        (("-i", "{logs}/../cut.parquet", "-o", "{logs}/../out"), 1, "is no Parquet file"),
        (("-i", "{logs}", "-o", "{logs}/../out", "--share", "3/2"), 2, "is no share"),
        (("-i", "{logs}", "-o", "{logs}/../out", "--prompts", "text"), 2, "no column 'text'"),
        (("-i", "nowhere://x/y", "-o", "out"), 2, "nowhere"),
        (("-i", "~nobody-here/logs", "-o", "out"), 2, "home directory"),
        (("-i", "{logs}", "-o", "~nobody-here/out"), 2, "home directory"),
        (("-i", "{logs}/\udcff.parquet", "-o", "out"), 2, "surrogates not allowed"),
        (("-i", "{logs}", "-o", "{logs}/../out/\udcff"), 2, "surrogates not allowed"),
        (("-i", "{logs}/../foreign", "-o", "{logs}/../out"), 1, "can't decode byte 0xff"),
        (("-i", "{logs}/../column.parquet", "-o", "{logs}/../out"), 1, "can't decode byte 0xff"),
    ],
)
def test_what_cannot_be_done_is_said(
    vibe_router: CommandLine, tiny_bundle: Path, logs: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (logs.parent / "empty").mkdir()
    (logs.parent / "bad.parquet").write_bytes(b"PAR0")
    (logs.parent / "cut.parquet").write_bytes((logs / "day=1" / "a.parquet").read_bytes()[:-9])
    (logs.parent / "foreign").mkdir()
    (logs.parent / "foreign" / os.fsdecode(b"\xff.parquet")).touch()
    column = logs.parent / "column.parquet"
    pq.write_table(pa.table({"prompt": ["hi"]}), column, store_schema=False)
    column.write_bytes(column.read_bytes().replace(b"prompt", b"pr\xffmpt"))
    given = [argument.replace("{logs}", str(logs)) for argument in arguments]
    done = vibe_router("route", *given, "-b", tiny_bundle, "--threads", "1")
    assert (done.code, said in done.error) == (code, True), done.error
    assert not list((logs.parent / "out").glob("*"))


def test_a_stranger_at_the_place_of_results_stays(vibe_router: CommandLine, tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_log(tmp_path / "log.parquet", PROMPTS[:9])
    stranger = write_log(tmp_path / "out" / "log-00000.parquet", PROMPTS[:5])
    for note in ({}, {b"vibe_router": b"[" * 100_000}):
        pq.write_table(pq.read_table(stranger).replace_schema_metadata(note), stranger)
        before = stranger.read_bytes()
        done = vibe_router("route", "-i", source, "-o", tmp_path / "out", "-b", tiny_bundle, "--force")
        assert (done.code, stranger.read_bytes()) == (2, before)
        assert "holds no results" in done.error


def test_a_url_names_a_place(vibe_router: CommandLine, tiny_bundle: Path, logs: Path, tmp_path: Path) -> None:
    arguments = ("-b", tiny_bundle, "--threads", "1", "--json")
    done = vibe_router("route", "-i", logs.as_uri(), "-o", (tmp_path / "out").as_uri(), *arguments)
    assert counts(done)["files"] == 2
    assert [source.name for source in find_sources((tmp_path / "out").as_uri())] == [
        "day=1/a-00000.parquet",
        "day=2/b-00000.parquet",
    ]


def test_a_file_without_the_column_is_named_before_any_is_routed(
    vibe_router: CommandLine, tiny_bundle: Path, logs: Path, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"text": ["hi"]}), logs / "day=2" / "c.parquet")
    done = vibe_router("route", "-i", logs, "-o", tmp_path / "out", "-b", tiny_bundle, "--threads", "1")
    assert (done.code, "day=2/c.parquet: the table has no column 'prompt'" in done.error) == (2, True), done.error
    assert "it has: text" in done.error
    assert not (tmp_path / "out").exists()


class ClosedStore(fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow comes without types
    """A store that lets nobody in."""

    def get_file_info(self, _: object) -> None:
        raise OSError("Access Denied\nat great length")

    get_file_info_selector = get_type_name = open_input_file = open_input_stream = open_output_stream = get_file_info
    open_append_stream = create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = get_file_info
    delete_file = move = copy_file = normalize_path = get_file_info


@pytest.mark.parametrize("pattern", ["", "/*.parquet"])
def test_a_store_that_lets_nobody_in_is_said_with_what_to_check(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    closed = sources.Place(fs.PyFileSystem(ClosedStore()), "bucket/logs")
    monkeypatch.setattr(sources, "find_place", lambda _: closed)
    with pytest.raises(DataError, match=r"^cannot look at s3://bucket/logs.*: Access Denied$") as raised:
        find_sources(f"s3://bucket/logs{pattern}")
    assert "AWS_ACCESS_KEY_ID" in str(raised.value.hint)


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_said(vibe_router: CommandLine, tiny_bundle: Path, tmp_path: Path) -> None:
    place = "s3://bucket/logs?endpoint_override=127.0.0.1:1&scheme=http"
    done = vibe_router("route", "-i", place, "-o", tmp_path / "out", "-b", tiny_bundle)
    assert (done.code, "cannot look at s3://bucket/logs: " in done.error) == (1, True), done.error
    assert "AWS_ACCESS_KEY_ID" in done.error


def test_a_run_that_is_interrupted_leaves_whole_files_and_goes_on(tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_log(tmp_path / "log.parquet", mixed_prompts(4_000, seed=9) * 2)
    command = [sys.executable, "-m", "vibe_router_tools", "route", "-i", source, "-b", tiny_bundle, "--threads", "1"]
    command += ["--rows", "200", "-o"]
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    # Of low priority, so that the signal comes before the last file, however busy the machine is.
    command_of_low_priority = ["nice", "-n", "19", *command, stopped]
    with subprocess.Popen(command_of_low_priority, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(stopped.glob("[!.]*.parquet")):
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert (process.returncode, b"Traceback" in said) == (130, False)
    left = digests(stopped)
    assert 0 < len(left) < 40
    subprocess.run([*command, stopped], check=True, capture_output=True)
    subprocess.run([*command, whole], check=True, capture_output=True)
    assert digests(stopped) == digests(whole)
    assert left.items() <= digests(whole).items()


def run_limited(arguments: list[str | Path], limit: int) -> subprocess.CompletedProcess[str]:
    """Run the command in a process whose files may not grow beyond `limit` bytes, as on a full disk."""

    def fill_the_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = [sys.executable, "-m", "vibe_router_tools", *arguments]
    return subprocess.run(command, preexec_fn=fill_the_disk, capture_output=True, text=True, check=False)


def test_a_full_disk_leaves_whole_files_only(tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_log(tmp_path / "log.parquet", PROMPTS)
    arguments: list[str | Path] = ["route", "-i", source, "-o", tmp_path / "out", "-b", tiny_bundle, "--threads", "1"]
    done = run_limited(arguments, 4096)
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
    assert run_limited(arguments, 2**30).returncode == 0
    assert pq.read_metadata(tmp_path / "out" / "log-00000.parquet").num_rows == len(PROMPTS)


@pytest.mark.slow
def test_a_process_that_is_killed_ten_times_ends_with_the_same_files(tiny_bundle: Path, tmp_path: Path) -> None:
    import random

    source = write_log(tmp_path / "log.parquet", mixed_prompts(4_000, seed=9), row_group=500)
    command = [sys.executable, "-m", "vibe_router_tools", "route", "-i", source, "-b", tiny_bundle]
    command += ["--threads", "1", "--rows", "200", "--json", "-o"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, whole], check=True, capture_output=True)
    chance = random.Random(0)
    for _ in range(10):
        with subprocess.Popen([*command, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            enough = len(list(killed.rglob("[!.]*.parquet"))) + chance.randrange(3)
            # Until it has written a few whole files more, and then in the middle of one.
            while process.poll() is None and len(list(killed.rglob("[!.]*.parquet"))) < enough:
                os.sched_yield()
            process.kill()
    done = subprocess.run([*command, killed], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["found"] >= 1
    assert digests(killed) == digests(whole)
