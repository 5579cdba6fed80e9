"""The C tokenizer gives the runtime's ids, prompt by prompt."""

from __future__ import annotations

import random
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from native.text.compare import Comparison, code_points, prompts_of, random_strings
from native.text.library import CTokenizer, compile_tokenizer
from native.text.make_tables import TABLES, tables
from tests.support.bundles import tiny_tokenizer_json
from tests.support.prompts import capitals, mixed_prompts
from tests.support.shared_data import TOKENIZER, needs
from tests.support.tokenizer_family import lower_case_first, lower_case_last
from vibe_router.errors import CheckpointError
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.emit.native.text_tables import text_tables

ROOT = Path(__file__).resolve().parents[2]
ROWS = (
    "-",
    "a",
    " ",
    "\n",
    "🙂",
    "é",
    "e\u0301",
    "你",
    "'s",
    "\u1100\u1161\u11a8",
    "[SEP]",
    "|||EMAIL_ADDRESS|||",
    "ab\ud800",
)
CAPITAL_ROWS = ("A", "É", "E\u0301", "\u0130", "\u0130|", "Σ", "\u023a", "\u212a", "USER", "RAW", "It'S ", "A\ud800")
NANO = ROOT / "artifacts" / "nano" / "tokenizer.json"
LOWER_CASE = Path("tiny, in lower case")
VOCABULARIES = [
    pytest.param(None, id="tiny"),
    pytest.param(LOWER_CASE, id="tiny in lower case"),
    pytest.param(NANO, id="nano"),
    pytest.param(
        TOKENIZER,
        id="ModernBERT",
        marks=needs(TOKENIZER),
    ),
]


@cache
def content_of(path: Path | None) -> bytes:
    if path == LOWER_CASE:
        return lower_case_first().to_str().encode()
    return tiny_tokenizer_json() if path is None else path.read_bytes()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("c-tokenizer") / "tokenizer.so"
    compile_tokenizer(path)
    return path


@cache
def comparison(library: Path, path: Path | None) -> Comparison:
    return Comparison(library, content_of(path))


@pytest.mark.parametrize("path", VOCABULARIES)
def test_strings_of_every_script_have_the_runtimes_ids(library: Path, path: Path | None) -> None:
    both = comparison(library, path)
    for prompt in (*random_strings(2500, seed=1), *mixed_prompts(200, seed=7)):
        assert both.difference(prompt) is None


@pytest.mark.parametrize("path", VOCABULARIES)
def test_code_points_alone_and_between_letters_have_the_runtimes_ids(library: Path, path: Path | None) -> None:
    both = comparison(library, path)
    chosen = {*range(0x180), *random.Random(2).sample(range(2 * 0x110000), 1500)}
    for place, prompt in enumerate(islice(code_points(), max(chosen) + 1)):
        if place in chosen:
            assert both.difference(prompt) is None


@pytest.mark.parametrize("path", VOCABULARIES)
def test_golden_prompts_have_the_runtimes_ids(library: Path, path: Path | None) -> None:
    both = comparison(library, path)
    for prompt in prompts_of(ROOT / "artifacts" / "nano" / "golden.jsonl"):
        assert both.difference(prompt) is None


@pytest.mark.parametrize("path", VOCABULARIES)
@pytest.mark.parametrize("unit", ROWS)
def test_long_rows_have_the_runtimes_ids(library: Path, path: Path | None, unit: str) -> None:
    both = comparison(library, path)
    for length in (900, 5_000, 40_000, 41_000):
        assert both.difference(unit * length) is None


@pytest.mark.parametrize("path", [None, LOWER_CASE])
def test_capitals_have_the_runtimes_ids(library: Path, path: Path | None) -> None:
    both = comparison(library, path)
    source = random.Random(11)
    for size in (1, 2, 3, 5, 8, 200):
        for _ in range(100):
            assert both.difference("".join(source.choices((*capitals(), " ", "a", "[SEP]"), k=size))) is None
    for unit in CAPITAL_ROWS:
        for length in (900, 5_000, 40_000, 41_000):
            assert both.difference(unit * length) is None


def test_every_character_with_case_has_the_runtimes_ids(library: Path) -> None:
    both = comparison(library, LOWER_CASE)
    for one in filter(lambda one: one.lower() != one, map(chr, range(0x110000))):
        for prompt in (one, f"{one}A", f"a{one}\u0323\u0301", f"{one}\u0307{one} {one}"):
            assert both.difference(prompt) is None


@pytest.mark.parametrize("path", VOCABULARIES)
def test_endless_words_have_the_runtimes_ids(library: Path, path: Path | None) -> None:
    both = comparison(library, path)
    source = random.Random(3)
    for alphabet in ("ab", "abcdefghijklmnopqrstuvwxyz", "-=", "的一是", "0123456789"):
        for size in (300, 2_000, 9_000, 30_000):
            assert both.difference("".join(source.choices(alphabet, k=size))) is None


def test_the_same_prompts_are_refused(library: Path) -> None:
    both = comparison(library, None)
    for size in (20, 128, 4_096):
        # One of each length limit.
        for _ in range(4):
            assert both.difference("a" * size + "\u0301" * 3_000) is None


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"a\xc3",
        b"\xc0\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x99",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xf8\x88\x80\x80\x80",
    ],
)
def test_what_is_no_utf8_is_refused(library: Path, text: bytes) -> None:
    tokenizer = CTokenizer(library, text_tables(tiny_tokenizer_json(), max_tokens=16))
    with pytest.raises(ValueError, match=r"^2$"):
        tokenizer.encode(text)


def test_a_wrong_index_in_the_tables_is_refused(library: Path) -> None:
    for name, place, wrong in (
        ("numbers", 1, -1),
        ("numbers", 6, 3),
        ("numbers", 6, -1),
        ("byte_ids", 97, 2**20),
        ("merge_starts", 1, 2**20),
        ("merges", 0, -1),
        ("token_starts", 5, -1),
        ("token_order", 0, -2),
        ("added", 1, 2**30),
    ):
        tables = text_tables(tiny_tokenizer_json(), max_tokens=16)
        array = getattr(tables, name)
        array.reshape(-1)[place] = wrong
        with pytest.raises(ValueError, match=r"out of (range|order)|vocabulary"):
            CTokenizer(library, tables)


def test_a_normalizer_that_c_does_not_have_is_refused() -> None:
    with pytest.raises(CheckpointError, match="read whole"):
        text_tables(lower_case_last().to_str().encode(), max_tokens=16)


@pytest.mark.parametrize("path", [NANO, LOWER_CASE], ids=["nano", "lower case"])
def test_ten_megabytes_are_read_in_a_moment(library: Path, path: Path) -> None:
    tokenizer = CTokenizer(library, text_tables(content_of(path), max_tokens=512))
    runtime = PromptTokenizer(content_of(path), max_tokens=512)
    for unit in ("-", "the quick brown fox ", "\n", "The Quick Brown Fox ", "\u0130"):
        prompt = unit * (10_000_000 // len(unit))
        assert tokenizer.encode(prompt)[0] == runtime.encode(prompt).ids.tolist()


@pytest.mark.slow
def test_the_tables_are_what_the_library_says() -> None:
    """Asks `tokenizers` about every character again; only where this Python's Unicode is that of the file."""
    committed, wanted = TABLES.read_text(encoding="ascii"), tables()
    if committed.split("VR_PYTHON_UNICODE")[1][:12] != wanted.split("VR_PYTHON_UNICODE")[1][:12]:
        pytest.skip("this Python has other Unicode tables than the one that wrote where prompts may be cut")
    assert committed == wanted
