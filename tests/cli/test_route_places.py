"""Which files a place names, and how much of them is held at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command_line import CommandLine
from vibe_router.errors import UsageError
from vibe_router_tools.calibration import counting
from vibe_router_tools.calibration.keyed import CountOptions
from vibe_router_tools.columns import sources
from vibe_router_tools.columns.parts import plan_parts, read_part
from vibe_router_tools.columns.sources import find_sources


def write_log(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"prompt": ["hi", "what is 2+2?"]}), path)


def test_files_whose_results_would_have_one_name_are_refused_before_any_is_routed(
    vibe_router: CommandLine, tiny_bundle: Path, tmp_path: Path
) -> None:
    write_log(tmp_path / "logs" / "a.parquet")
    write_log(tmp_path / "logs" / "a.pq")
    done = vibe_router("route", "-i", tmp_path / "logs", "-o", tmp_path / "out", "-b", tiny_bundle, "--force")
    assert (done.code, "a.parquet and a.pq" in done.error) == (2, True), done.error
    assert not (tmp_path / "out").exists()


def test_a_text_that_all_rows_share_is_not_held_for_all_of_them(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["word " * 20_000] * 2048, "bundle": ["0" * 64] * 2048})
    pq.write_table(table, tmp_path / "log.parquet")
    (source,) = find_sources(str(tmp_path / "log.parquet"))
    assert (tmp_path / "log.parquet").stat().st_size < 2**20 < table.nbytes / 100
    (part,) = plan_parts([source], rows=2048)
    tables = list(read_part(part, rows=8192))
    assert (sum(one.num_rows for one in tables), max(one.nbytes for one in tables) < 80 * 2**20) == (2048, True)
    assert pa.concat_tables(tables).equals(table)
    counted = [one.nbytes for one in counting._rows([source], CountOptions())]
    assert (max(counted) < 80 * 2**20, sum(counted) > 2**27) == (True, True)


def test_a_path_that_is_there_is_no_glob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a[1].parquet", "a1.parquet", "day [2]/b.parquet"):
        write_log(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    found = {
        place: [source.name for source in find_sources(place)] for place in ("a[1].parquet", "day [2]", "a[1-2].*")
    }
    assert found == {"a[1].parquet": ["a[1].parquet"], "day [2]": ["b.parquet"], "a[1-2].*": ["a1.parquet"]}


def test_a_glob_at_the_root_is_not_looked_for_in_the_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(sources, "_below", lambda place: looked.append(place.path) or iter(()))
    with pytest.raises(UsageError, match="no Parquet file matches"):
        find_sources("/nothing-*.parquet")
    assert looked == ["/"]
