"""`libvibe_router` decides as the runtime does, whatever happens."""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.conformance.expected import golden_prompts, write_expected
from native.dist import HEADER, SOURCES, build, this_platform
from tests.support.c_router import CRouter, CRouterError, terms
from tests.support.native import native_checkpoint, needs_native_engine
from tests.support.prompts import mixed_prompts
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import Threshold
from vibe_router.errors import BundleCorruptError, PromptError
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.emit.native.file import NATIVE_FILE, open_native
from vibe_router_export.export import NativeOptions, export_native
from vibe_router_tools.bundle_edit import write_copy

pytestmark = needs_native_engine
NANO = Path(__file__).resolve().parents[2] / "artifacts" / "nano"
BAD_ARGUMENT, NOT_FOUND, CORRUPT, BAD_PROMPT, CANCELLED, FAILED = 1, 2, 3, 6, 7, 8
DEVICE, CLOUD = 0, 1


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(this_platform(), tmp_path_factory.mktemp("libvibe_router") / "here").shared


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("c-router")
    checkpoint = native_checkpoint(folder / "checkpoint", profiles={"balanced": 0.42, "low": 0.3, "high": 0.6})
    export_native(checkpoint, folder / "bundle", options=NativeOptions(reference=ReferenceChoice.NONE))
    return folder / "bundle"


@pytest.fixture
def router(library: Path, bundle: Path):  # type: ignore[no-untyped-def]
    opened = CRouter(library, bundle)
    yield opened
    opened.close()


def assert_as_in_python(router: CRouter, bundle: Path, prompts: list[str], **asked: str) -> None:
    with Router.load(bundle, engine="native-cpu", precision="int8") as runtime:
        ours = router.route_many(prompts, terms(**asked))  # type: ignore[arg-type]
        for decision, expected in zip(ours, runtime.route_many(prompts, **asked), strict=True):  # type: ignore[arg-type]
            assert decision.as_in_python() == (
                expected.target.value,
                expected.p_cloud,
                expected.threshold,
                expected.margin,
                expected.tokens,
                expected.truncated,
                expected.reason.value,
            )
            assert decision.engine.decode() == expected.engine


@pytest.mark.parametrize("profile", ["balanced", "low", "high"])
def test_mixed_prompts_are_decided_as_in_python(router: CRouter, bundle: Path, profile: str) -> None:
    assert_as_in_python(router, bundle, [*mixed_prompts(150, seed=4), "\ud800 lone", "[SEP] literal"], profile=profile)


def test_golden_prompts_have_their_ids(router: CRouter, bundle: Path) -> None:
    golden = [json.loads(line) for line in (bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    assert golden
    for line in golden:
        assert router.tokenize(line["prompt"]) == (line["input_ids"], line["truncated"])
    assert_as_in_python(router, bundle, [line["prompt"] for line in golden])


def test_the_bundled_router_answers_as_python(library: Path, tmp_path: Path) -> None:
    # `python -m benchmarks conformance` gives prompts and keeps the answers; otherwise the golden ones are enough.
    given = Path(os.environ.get("VIBE_ROUTER_EXPECTED", tmp_path / "expected.jsonl"))
    _ = given.exists() or write_expected(NANO, golden_prompts(NANO), given)
    expected = [json.loads(line) for line in given.read_text("utf-8").splitlines()]
    router, prompts, answers = CRouter(library, NANO), [line.pop("prompt") for line in expected], []
    for prompt, decision in zip(prompts, router.route_many(prompts), strict=True):
        target, p_cloud, threshold, *_ = decision.as_in_python()
        found = dict(zip(("ids", "truncated"), router.tokenize(prompt), strict=True))
        answers.append(found | {"p_cloud": p_cloud, "threshold": threshold, "target": target})
    router.close()
    if "VIBE_ROUTER_ANSWERS" in os.environ:
        Path(os.environ["VIBE_ROUTER_ANSWERS"]).write_text("".join(f"{json.dumps(one)}\n" for one in answers))
    assert answers == expected


def test_the_golden_sample_is_replayed_and_a_changed_one_found(library: Path, bundle: Path) -> None:
    content = bytearray((bundle / NATIVE_FILE).read_bytes())
    CRouter(library, bytes(content)).self_test()
    start = sections(content)["golden.logits"]
    content[start : start + 4] = struct.pack("<f", 9.0)
    with pytest.raises(CRouterError, match="another logit"):
        CRouter(library, bytes(content)).self_test()


NAMES = (
    "model",
    "text.numbers",
    "text.byte_ids",
    "text.merge_starts",
    "text.merges",
    "text.token_starts",
    "text.token_bytes",
    "text.token_order",
    "text.added",
    "text.added_bytes",
    "golden.text",
    "golden.text_starts",
    "golden.ids",
    "golden.id_starts",
    "golden.logits",
    "settings",
    "strings",
)


def sections(content: bytes | bytearray) -> dict[str, int]:
    """Return where each section begins in the file."""
    start, contents = struct.unpack_from("<QQ", content, len(content) - 32)
    return {
        name: start + struct.unpack_from("<q", content, start + contents + 16 * place)[0]
        for place, name in enumerate(NAMES)
    }


def test_a_failure_gives_what_the_table_says(router: CRouter) -> None:
    cancelled = ctypes.c_int32(0)
    router.library.vibe_router_cancel(ctypes.byref(cancelled))
    with pytest.raises(CRouterError) as caught:
        router.route("hi", terms(cancel=cancelled))
    assert caught.value.status == CANCELLED
    for target, name in ((DEVICE, "device"), (CLOUD, "cloud")):
        decision = router.route("hi", terms(cancel=cancelled, fallback=target)).as_in_python()
        assert decision == (name, None, decision[2], None, decision[4], False, "fallback")
        assert decision[4] > 2
    pinned = router.route("hi", terms(cancel=cancelled, allow_cloud=False, fallback=CLOUD)).as_in_python()
    assert (pinned[0], pinned[1], pinned[-1]) == ("device", None, "pinned")
    scored = router.route("hi", terms(threshold=0.0, allow_cloud=False)).as_in_python()
    assert scored[0] == "device"
    assert scored[1] is not None
    assert scored[-1] == "pinned"
    assert router.route("hi", terms(threshold=0.0, fallback=DEVICE)).as_in_python()[0] == "cloud"


def test_a_score_on_the_threshold_stays_on_the_device(router: CRouter) -> None:
    score = router.route("hi").p_cloud
    assert router.route("hi", terms(threshold=score)).target == DEVICE
    assert router.route("hi", terms(threshold=score - 1e-9)).target == CLOUD


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (terms(profile="none"), "no such profile"),
        (terms(threshold=1.5), "outside"),
        (terms(threshold=float("nan")), "outside"),
        (terms(fallback=2), "not a target"),
        (terms(threshold=0.5, profile="low"), "not both"),
    ],
)
def test_a_wrong_argument_is_refused_whatever_else_is_asked(router: CRouter, asked, message: str) -> None:  # type: ignore[no-untyped-def]
    asked.allow_cloud = 0
    with pytest.raises(CRouterError, match=message) as caught:
        router.route("hi", asked)
    assert caught.value.status == BAD_ARGUMENT


def test_a_prompt_that_cannot_be_read_is_refused_whatever_is_asked(router: CRouter, bundle: Path) -> None:
    marks = "a" * 8 * open_bundle(bundle).manifest.max_tokens + "\u0301" * 3000
    for prompt in (b"\xff\xfe", marks):
        with pytest.raises(CRouterError) as caught:
            router.route(prompt, terms(allow_cloud=False, fallback=DEVICE))
        assert caught.value.status == BAD_PROMPT
    with Router.load(bundle, engine="native-cpu", precision="int8") as runtime, pytest.raises(PromptError):
        runtime.route(marks)


def test_many_threads_get_the_decisions_of_one(library: Path, bundle: Path) -> None:
    router = CRouter(library, bundle, threads=2)
    prompts = mixed_prompts(60, seed=8)
    alone = [one.as_in_python() for one in router.route_many(prompts)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda prompt: router.route(prompt).as_in_python(), prompts * 4))
    assert together == alone * 4
    router.close()


def test_a_forked_child_opens_its_own(library: Path, bundle: Path) -> None:
    router = CRouter(library, bundle, threads=2)
    child = os.fork()
    if not child:
        try:
            router.route("hi")
            os._exit(1)
        except CRouterError as error:
            fallback = router.route("hi", terms(fallback=CLOUD)).as_in_python()
            own = CRouter(library, bundle).route("hi").as_in_python()
            as_it_should_be = error.status == FAILED and fallback[-1] == "fallback" and own[-1] == "score"
            os._exit(0 if as_it_should_be else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    router.close()


@pytest.mark.parametrize("name", ["absent", "router.json"])
def test_what_is_no_file_of_a_router_is_refused(library: Path, bundle: Path, name: str) -> None:
    with pytest.raises(CRouterError) as caught:
        CRouter(library, bundle / name)
    assert caught.value.status == (NOT_FOUND if name == "absent" else CORRUPT)


def test_a_file_cut_anywhere_is_refused(library: Path, bundle: Path) -> None:
    content = (bundle / NATIVE_FILE).read_bytes()
    for size in (1, 64, len(content) // 2, len(content) // 128 * 64, len(content) - 64, len(content) - 1):
        with pytest.raises(CRouterError) as caught:
            CRouter(library, content[:size])
        assert caught.value.status == CORRUPT


def statuses(library: Path, content: bytes, prompts: tuple[str, ...]) -> set[int]:
    """Return what opening a file, and then routing the prompts, ends with."""
    found = set()
    try:
        router = CRouter(library, content)
    except CRouterError as error:
        return {error.status}
    for prompt in prompts:
        try:
            router.route(prompt)
            found.add(0)
        except CRouterError as error:
            found.add(error.status)
    router.close()
    return found


def test_a_file_with_a_wrong_word_is_refused_or_routes(library: Path, bundle: Path) -> None:
    content = (bundle / NATIVE_FILE).read_bytes()
    begin, source, found = sections(content)["model"], random.Random(5), []
    for _ in range(120):
        changed = bytearray(content)
        at = source.randrange(begin // 4, len(content) // 4) * 4
        struct.pack_into("<i", changed, at, source.choice((-1, -(2**31), 2**31 - 1, 2**20, 0, 255)))
        found.append(statuses(library, bytes(changed), ("hi", "a [SEP] b  c", "e\u0301" * 40)))
    assert set().union(*found) <= {0, CORRUPT, FAILED}
    assert sum(CORRUPT in one for one in found) > 10


def test_new_thresholds_reach_the_file(library: Path, bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(bundle)
    thresholds = {"only": Threshold(raw=0.25, calibrated=0.26)}
    changed = replace(
        opened.manifest,
        thresholds=thresholds,
        default_profile="only",
        engines=tuple(replace(one, parity=None) for one in opened.manifest.engines),
    )
    write_copy(opened, tmp_path / "copy", changed, card_section=None)
    router = CRouter(library, tmp_path / "copy")
    assert router.route("hi").threshold in (0.25, 0.26)
    router.self_test()
    assert_as_in_python(router, tmp_path / "copy", mixed_prompts(20, seed=2))


def test_python_refuses_a_file_with_a_section_too_few(bundle: Path, tmp_path: Path) -> None:
    content = (bundle / NATIVE_FILE).read_bytes()
    changed = content.replace(b'"router.golden.ids"', b'"router.golden.idx"')
    assert len(changed) == len(content)
    path = tmp_path / "changed.safetensors"
    path.write_bytes(changed)
    with pytest.raises(BundleCorruptError, match="more, or less"):
        open_native(path, file=path.name)


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_the_example_is_one_command_line_and_routes(library: Path, bundle: Path, tmp_path: Path) -> None:
    program = tmp_path / "vibe-route"
    sources = (SOURCES / "examples" / "vibe_route" / "vibe_route.c", library.with_suffix(".a"))
    subprocess.run(["cc", *sources, f"-I{HEADER.parent}", "-lpthread", "-lm", "-o", program], check=True)
    ran = subprocess.run([program, bundle, "hi"], capture_output=True, text=True, check=True)
    with Router.load(bundle, engine="native-cpu", precision="int8") as runtime:
        expected = runtime.route("hi")
    target, score, *_ = ran.stdout.split("\t")
    assert (target, float(score.removeprefix("p_cloud "))) == (expected.target.value, expected.p_cloud)
    assert subprocess.run([program, bundle], capture_output=True, text=True, check=True).stdout.startswith("the golden")
