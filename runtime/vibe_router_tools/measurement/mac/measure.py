"""Measure one Core ML file of a bundle on every kind of hardware that a Mac has."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vibe_router.bundle.bundle import Bundle
from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.coreml.engine import CoreMLEngine
from vibe_router.engines.coreml.models import COMPUTE_UNITS
from vibe_router.errors import EngineError
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router.verify import read_golden, verify
from vibe_router_tools.measurement.mac.energy import energy, parse_power
from vibe_router_tools.measurement.mac.placement import summarise
from vibe_router_tools.measurement.mac.protocols import Mac
from vibe_router_tools.measurement.mac.report import SCHEMA, Energy, FunctionPlacement, Latency, MacReport, UnitReport

NOT_PERMITTED = "not permitted: powermetrics needs sudo without a password"
_MILLI = 1e3


@dataclass(frozen=True)
class TokenClass:
    """Prompts of `least` to `most` ids, and the card's milliseconds for them: PyTorch on MPS, another machine."""

    label: str
    least: int
    most: int
    card_ms: float


TOKEN_CLASSES = (
    TokenClass("1-5", 1, 5, 11.0),
    TokenClass("10-20", 10, 20, 35.0),
    # The card says "30+"; what is much longer is a class of its own that it does not speak of.
    TokenClass("30+", 30, 64, 45.0),
)


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to measure: prompts of each class, decisions of each prompt, seconds of each sample of power."""

    prompts: int = 8
    repetitions: int = 25
    power_seconds: int = 5


@dataclass(frozen=True)
class Bench:
    """What is measured, with what. `clock` counts seconds."""

    bundle: Bundle
    file: EngineFile
    mac: Mac
    effort: Effort = Effort()
    clock: Callable[[], float] = time.perf_counter

    def load(self, engine: str) -> Router:
        """Return a router on a freshly loaded engine.

        Raises:
            EngineError: Core ML refuses.
        """
        manifest = self.bundle.manifest
        loaded = CoreMLEngine(
            self.mac.programs(engine),
            name=engine,
            file=self.file.file,
            precision=self.file.precision,
            pad_token_id=manifest.pad_token_id,
        )
        tokenizer = PromptTokenizer(self.bundle.read("tokenizer.json"), max_tokens=manifest.max_tokens)
        return Router(self.bundle, tokenizer, loaded)

    def prompts(self, chosen: TokenClass) -> list[str]:
        """Return golden prompts of a class, as many as the effort says."""
        golden = (item for item in read_golden(self.bundle) if not item.truncated)
        fitting = (item.prompt for item in golden if chosen.least <= len(item.input_ids) <= chosen.most)
        return list(itertools.islice(fitting, self.effort.prompts))


def measure_on_mac(bench: Bench, *, engines: Sequence[str], progress: ProgressCallback | None = None) -> MacReport:
    """Return parity, placement, latency and energy on each of `engines`.

    An engine that Core ML refuses is reported with its error; the others are measured all the same.

    Raises:
        BundleCorruptError: a file of the bundle has been altered, or it has no golden prompts.
    """
    bench.bundle.check()
    units = []
    for done, engine in enumerate(engines, start=1):
        units.append(_unit(bench, engine))
        if progress is not None:
            progress(Progress(done, len(engines)))
    return MacReport(
        schema=SCHEMA,
        bundle=bench.bundle.manifest.name,
        file=bench.file.file,
        precision=bench.file.precision,
        machine=bench.mac.machine(),
        units=tuple(units),
    )


def _unit(bench: Bench, engine: str) -> UnitReport:
    units = COMPUTE_UNITS[engine]
    try:
        start = bench.clock()
        with bench.load(engine) as router:
            first_load = bench.clock() - start
            parity = verify(router)
        latency = tuple(_latency(bench, engine))
    except EngineError as error:
        return UnitReport(engine=engine, compute_units=units, error=error.message)
    placement, placement_note = _placement(bench, engine)
    metered, energy_note = _energy(bench, engine)
    return UnitReport(
        engine=engine,
        compute_units=units,
        first_load_ms=_MILLI * first_load,
        parity=parity,
        placement=placement,
        placement_note=placement_note,
        latency=latency,
        energy=metered,
        energy_note=energy_note,
    )


def _latency(bench: Bench, engine: str) -> Iterator[Latency]:
    for chosen in TOKEN_CLASSES:
        prompts = bench.prompts(chosen)
        if not prompts:
            continue
        start = bench.clock()
        with bench.load(engine) as router:
            router.route(prompts[0])
            cold = bench.clock() - start
            # The other prompts of the class may need another function, which loads on first use.
            for prompt in prompts:
                router.route(prompt)
            warm = [_time(bench, router, prompt) for prompt in prompts * bench.effort.repetitions]
        yield Latency(
            label=chosen.label,
            tokens_from=chosen.least,
            tokens_to=chosen.most,
            prompts=len(prompts),
            cold_ms=_MILLI * cold,
            runs=len(warm),
            median_ms=_MILLI * statistics.median(warm),
            percentile_95_ms=_MILLI * sorted(warm)[int(0.95 * (len(warm) - 1))],
            card_ms=chosen.card_ms,
        )


def _time(bench: Bench, router: Router, prompt: str) -> float:
    start = bench.clock()
    router.route(prompt)
    return bench.clock() - start


def _placement(bench: Bench, engine: str) -> tuple[tuple[FunctionPlacement, ...], str | None]:
    try:
        lengths = bench.mac.lengths
        return tuple(summarise(bench.mac.plan(engine, tokens=tokens), tokens=tokens) for tokens in lengths), None
    except EngineError as error:
        return (), error.message


def _energy(bench: Bench, engine: str) -> tuple[Energy | None, str | None]:
    seconds = bench.effort.power_seconds
    prompts = [prompt for chosen in TOKEN_CLASSES for prompt in bench.prompts(chosen)]
    if not prompts:
        return None, "no golden prompt is of these lengths"
    try:
        with bench.load(engine) as router:
            for prompt in prompts:
                router.route(prompt)
            idling = bench.mac.meter(seconds)
            if idling is None:
                return None, NOT_PERMITTED
            idle = parse_power(idling())
            busy = bench.mac.meter(seconds)
            if busy is None:
                return None, NOT_PERMITTED
            start, decisions = bench.clock(), 0
            while bench.clock() - start < seconds:
                router.route(prompts[decisions % len(prompts)])
                decisions += 1
            took = bench.clock() - start
            return energy(idle, parse_power(busy()), seconds=took, decisions=decisions), None
    except EngineError as error:
        return None, error.message
