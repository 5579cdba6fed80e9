"""One bundle on this machine: latency by number of tokens and on real prompts, cold start, peak memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vibe_router.engines.choice import EngineChoice
from vibe_router.engines.cpus import available_cpus
from vibe_router.errors import UsageError
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router
from vibe_router.routing.scorer import score
from vibe_router_tools.measurement.cold import ColdRequest, ColdSummary, cold_start, summarize_cold
from vibe_router_tools.measurement.machine import Machine, describe_machine
from vibe_router_tools.measurement.resident import peak_resident
from vibe_router_tools.measurement.timing import Timing, summarize, time_calls
from vibe_router_tools.measurement.workload import TOKEN_COUNTS, of_every_length, sequences_of

# A length is timed for this long at most, so that slow engines do not keep anybody waiting.
_SECONDS_A_LENGTH = 3.0
_LEAST_CALLS, _WARM_UP = 5, 3
_PROMPTS = 100
_COLD_PROMPT = "what is 2+2?"


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """The result. `latency` is by number of tokens, ids in, logit out; `prompts` is text in, decision out.

    `cold` is null where no process was started; `cold_note` says why. `peak_resident` is this process's, in bytes,
    after everything else.
    """

    bundle: str
    engine: str
    precision: str
    file: str
    threads: int
    latency: dict[int, Timing]
    prompts: Timing
    prompt_source: str
    cold: ColdSummary | None
    cold_note: str
    peak_resident: int | None
    machine: Machine


def bench(
    choice: EngineChoice,
    *,
    calls: int = 50,
    cold_starts: int = 5,
    prompts: Sequence[str] | None = None,
    progress: ProgressCallback | None = None,
) -> BenchReport:
    """Measure a bundle: `calls` for each length, and `cold_starts` fresh processes (0: none).

    `prompts` None means the bundle's golden prompts.

    Raises:
        VibeRouterError: as `Router.load`, `PromptTokenizer.encode` and `Engine.logits`.
    """
    from vibe_router.verify import read_golden

    with Router.load(choice.source, engine=choice.engine, precision=choice.precision, threads=choice.threads) as router:
        texts = [golden.prompt for golden in read_golden(router.bundle)] if prompts is None else list(prompts)
        counts = [count for count in TOKEN_COUNTS if count <= router.bundle.manifest.max_tokens]
        steps = _Steps(progress, len(counts) + 1 + cold_starts)
        latency = {}
        for count, ids in sequences_of(router.tokenizer, texts, counts).items():
            call = partial(score, router.engine, [ids])
            seconds = time_calls(call, calls=calls, warm_up=_WARM_UP, least=_LEAST_CALLS, limit=_SECONDS_A_LENGTH)
            latency[count] = summarize(seconds)
            steps.done()
        routed = [
            time_calls(partial(router.route, text), calls=1, warm_up=0)[0] for text in of_every_length(texts, _PROMPTS)
        ]
        steps.done()
        peak = peak_resident()
        cold, note = _cold(choice, cold_starts, steps)
        return BenchReport(
            bundle=f"{router.bundle.manifest.name} {router.bundle.manifest.version}",
            engine=router.engine.name,
            precision=router.engine.precision,
            file=router.engine.file,
            threads=choice.threads or available_cpus(),
            latency=latency,
            prompts=summarize(routed),
            prompt_source="golden prompts" if prompts is None else "given prompts",
            cold=cold,
            cold_note=note,
            peak_resident=peak,
            machine=describe_machine(),
        )


class _Steps:
    """Counts what is finished and tells it."""

    def __init__(self, progress: ProgressCallback | None, total: int) -> None:
        self._progress, self._total, self._finished = progress, total, 0

    def done(self) -> None:
        self._finished += 1
        if self._progress is not None:
            self._progress(Progress(self._finished, self._total))


def _cold(choice: EngineChoice, cold_starts: int, steps: _Steps) -> tuple[ColdSummary | None, str]:
    if not cold_starts:
        return None, "not asked for"
    request = ColdRequest(choice, _COLD_PROMPT)
    starts = []
    try:
        for _ in range(cold_starts):
            starts.append(cold_start(request))
            steps.done()
    except UsageError as error:
        return None, error.message
    return summarize_cold(starts), f"{len(starts)} fresh processes, files in the page cache"
