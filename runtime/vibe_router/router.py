"""The router: prompt -> ids -> logit -> decision, one prompt or many.

What a call does when there is no score to decide with:

    what happens                           allow_cloud=False    fallback=Target.X    neither
    the engine fails, or gives no score    device, pinned       X, fallback          EngineError
    the timeout passes                     device, pinned       X, fallback          DeadlineError
    the router has been closed             device, pinned       X, fallback          EngineError
    the prompt cannot be routed            PromptError          PromptError          PromptError
    an argument is wrong                   UsageError           UsageError           UsageError
    the bundle is missing or damaged       raised by `Router.load`: there is no router to ask

`docs/failures.md` says each of these at length.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vibe_router.bundle import Bundle, check_verify_mode, open_bundle
from vibe_router.deadline import NO_DEADLINE, Deadline
from vibe_router.engines.usage import Usage
from vibe_router.errors import DeadlineError, EngineError, PromptError, UsageError
from vibe_router.events import Progress, ProgressCallback
from vibe_router.policy import LOW_PRECISION_BAND, Decision, Target, check_threshold, profile_threshold, sigmoid
from vibe_router.terms import Terms, check_fallback

if TYPE_CHECKING:
    from vibe_router.engines.protocol import Engine
    from vibe_router.scorer import Scorer
    from vibe_router.tokenizer import PromptTokenizer, TokenizedPrompt

# Prompts whose ids are held at a time: for answers soon, and for batches of nearly equal lengths.
_CHUNK = 256
_LARGE_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How a router's engine was chosen; as `Router.load` takes it."""

    engine: str
    precision: str
    threads: int | None
    usage: Usage
    verify: str

    def load_engine(self, bundle: Bundle) -> Engine:
        """Return the engine made again."""
        from vibe_router.engines.choice import choose_engine

        return choose_engine(
            bundle, engine=self.engine, precision=self.precision, threads=self.threads, usage=self.usage
        )


class Router:
    """Routes prompts with one bundle on one engine. Made by `Router.load`; safe to use from many threads."""

    def __init__(
        self,
        bundle: Bundle,
        tokenizer: PromptTokenizer,
        engine: Engine,
        *,
        profile: str | None = None,
        at_once: int = 2,
        origin: Origin | None = None,
    ) -> None:
        """Put checked parts together.

        `profile` None means the bundle's default; at most `at_once` engine calls run at a time, the others wait for
        their turn. `origin` says how the engine was made, for other processes to make it again: a forked child, which
        cannot use its parent's threads, and whoever unpickles the router. None means that the engine needs no
        remaking, and that the router cannot be pickled.
        """
        self._bundle = bundle
        self._tokenizer = tokenizer
        self._profile = profile
        self._threshold = profile_threshold(bundle.manifest, profile)
        self._at_once = at_once
        self._origin = origin
        self._scorer = self._make_scorer(engine)
        self._inherited: list[Scorer] = []
        self._forked: dict[int, threading.Lock] = {}

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str] | None = None,
        *,
        engine: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        profile: str | None = None,
        usage: Usage = Usage.REPEATEDLY,
        verify: str = "used",
    ) -> Router:
        """Return a router for a bundle: None for the bundled default, a folder, or a hub id "org/name".

        `engine` is "auto" or a name such as "onnx-cpu", `precision` "auto" or one of the bundle's,
        `threads` how many CPU threads a prompt may use (None: the CPUs this process may use), `profile` the
        default threshold's, `usage` whether to be fast at every prompt or ready soonest.

        Before any decision the sizes of all files of the bundle are checked against its manifest, and with `verify`
        "used" also the SHA-256 of all but the big weights of engines that were not chosen, with "all" of every
        file, and with "off" of none. The graph's operators are checked in any case.

        Raises:
            BundleNotFoundError: no bundle there.
            BundleCorruptError: a file is missing or altered.
            SchemaError: a manifest that this version cannot read.
            EngineUnavailableError: the engine or precision is unknown or cannot run here.
            EngineError: the engine refuses the file.
            UsageError: an unknown profile, a wrong number of threads, or an unknown `verify`.
        """
        from vibe_router.engines.choice import choose_engine, engine_files

        bundle = open_bundle(source, hashed=check_verify_mode(verify) != "off")
        profile_threshold(bundle.manifest, profile)
        read: list[PromptTokenizer] = []

        def read_tokenizer() -> None:
            from vibe_router.tokenizer import PromptTokenizer

            read.append(PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=bundle.manifest.max_tokens))

        # Before the engine, for what reading it takes for a moment is free again then.
        loaded = choose_engine(
            bundle, engine=engine, precision=precision, threads=threads, usage=usage, meanwhile=read_tokenizer
        )
        if not read:
            read_tokenizer()
        bundle.check(
            skip={"tokenizer.json", *engine_files(loaded.file)}
            | (set() if verify == "all" else bundle.unused(loaded.file))
        )
        # What was chosen, so that no other process chooses otherwise.
        origin = Origin(engine=loaded.name, precision=loaded.precision, threads=threads, usage=usage, verify=verify)
        return cls(
            bundle,
            read[0],
            loaded,
            profile=profile,
            at_once=max(2, os.cpu_count() or 1),
            origin=origin,
        )

    @property
    def bundle(self) -> Bundle:
        """The bundle that routes."""
        return self._bundle

    @property
    def engine(self) -> Engine:
        """The engine that scores, in this process."""
        return self._scorer_here().engine

    @property
    def tokenizer(self) -> PromptTokenizer:
        """The tokenizer that cuts prompts into ids."""
        return self._tokenizer

    def route(
        self,
        prompt: str,
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        timeout: float | None = None,
    ) -> Decision:
        """Return the decision for one prompt.

        `profile` or `threshold` (on the scale of `Decision.p_cloud`) replace the router's threshold for
        this call. With `allow_cloud=False` the target is the device, whatever the score, and also where there is
        none. Where the engine fails or has not answered within `timeout` seconds, `fallback` is the target;
        without one that is raised. The table above this class names every case.

        Raises:
            PromptError: not text, or text that cannot be tokenized.
            DeadlineError: the timeout has passed, and there is no fallback.
            EngineError: the engine failed, and there is no fallback.
            UsageError: an unknown profile, a threshold outside 0..1, both given, or a wrong fallback or timeout.
        """
        terms = self._terms(profile, threshold, allow_cloud, fallback)
        deadline = Deadline.after(timeout)
        return self._route_alone(self._tokenizer.encode(prompt), terms, deadline)

    async def aroute(
        self,
        prompt: str,
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        timeout: float | None = None,
    ) -> Decision:
        """Return what `route` returns, without holding the event loop: a thread of the router's own does the work.

        A cancelled call stops its engine. The timeout also counts the wait for a free thread.

        Raises:
            As `route`.
        """
        import asyncio

        terms = self._terms(profile, threshold, allow_cloud, fallback)
        deadline = Deadline.after(timeout)
        scorer = self._scorer_here()
        engine = scorer.engine.name

        def work() -> Decision:
            item = self._tokenizer.encode(prompt)
            try:
                (logit,) = scorer.logits_here([item.ids], deadline=deadline)
            except EngineError as error:
                return terms.decide_after(error, item, engine=engine)
            return terms.decide(float(logit), item, engine=engine)

        try:
            job = scorer.submit(work)
        except EngineError as error:
            return terms.decide_after(error, None, engine=engine)
        waiting = asyncio.wrap_future(job.future)
        try:
            await asyncio.wait([waiting], timeout=deadline.remaining())
        finally:
            if not waiting.done():
                job.abandon()
                waiting.cancel()
            elif not waiting.cancelled():
                # Looked at, so that the loop does not complain of an error that a cancelled caller cannot receive.
                waiting.exception()
        if waiting.done() and not waiting.cancelled():
            return waiting.result()
        failure = DeadlineError.passed() if deadline.passed else EngineError.closed()
        return terms.decide_after(failure, None, engine=engine)

    def route_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        timeout: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> list[Decision]:
        """Return one decision a prompt, in the prompts' order, equal in target to `route` on each.

        Prompts of similar length are scored together; see `route_stream` for input that does not fit into
        memory. The timeout is for all of them: those that have no score by then get the fallback. Where a batch
        fails, its prompts are tried alone, so that one of them costs the others nothing.

        Raises:
            PromptError: as `route`; the message names the prompt's place, counted from 0.
            DeadlineError, EngineError, UsageError: as `route`.
        """
        terms = self._terms(profile, threshold, allow_cloud, fallback)
        deadline = Deadline.after(timeout)
        total = len(prompts) if isinstance(prompts, Sequence) else None
        decisions: list[Decision] = []
        try:
            for decision in self._stream(_several(prompts), terms, deadline, chunk=_LARGE_CHUNK):
                decisions.append(decision)
                if progress is not None:
                    progress(Progress(len(decisions), total))
        except PromptError as error:
            raise PromptError(f"prompt {len(decisions)}: {error.message}", hint=error.hint) from error
        return decisions

    def route_stream(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        chunk: int = _CHUNK,
    ) -> Iterator[Decision]:
        """Yield one decision a prompt, in order, holding at most `chunk` prompts' ids in memory.

        When `prompts` raises, or a prompt cannot be tokenized, the prompts before it are decided first: the
        number of decisions received is the place of the prompt that failed. There is no timeout, for the time is
        that of `prompts` and of whoever takes the decisions.

        Raises:
            PromptError, EngineError, UsageError: as `route_many`.
        """
        if chunk < 1:
            raise UsageError(f"chunk must be at least 1, not {chunk}")
        terms = self._terms(profile, threshold, allow_cloud, fallback)
        return self._stream(_several(prompts), terms, NO_DEADLINE, chunk=chunk)

    def close(self) -> None:
        """Release the engine's memory; calls that run are asked to stop, and there are no scores afterwards."""
        if self._scorer.process == os.getpid():
            self._scorer.close()
        else:
            self._scorer.closed = True

    def __reduce__(self) -> tuple[Callable[..., Router], tuple[object, ...]]:
        """Pickle what to load, not what is loaded: unpickling is `Router.load`, with all its checks and its time."""
        if self._origin is None:
            raise TypeError("a Router that Router.load has not made cannot be pickled")
        return _load_again, (self._bundle.folder, self._origin, self._profile)

    def __enter__(self) -> Router:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_scorer(self, engine: Engine) -> Scorer:
        from vibe_router.scorer import Scorer

        return Scorer(engine, pad_token_id=self._bundle.manifest.pad_token_id, at_once=self._at_once)

    def _scorer_here(self) -> Scorer:
        """Return this process's scorer: a child forked from the one that made it makes another.

        Raises:
            BundleCorruptError: the bundle has been altered since it was loaded.
            EngineError: the engine cannot be made again.
        """
        scorer = self._scorer
        if scorer.process == os.getpid() or scorer.closed:
            return scorer
        # A lock that this process made: one of the parent's may be held for ever by a thread that is not here.
        with self._forked.setdefault(os.getpid(), threading.Lock()):
            if self._scorer is scorer:
                # Kept, for to destroy it would mean to wait for threads that are not here.
                self._inherited.append(scorer)
                self._scorer = self._make_scorer(
                    scorer.engine if self._origin is None else self._origin.load_engine(self._bundle)
                )
        return self._scorer

    def _terms(self, profile: str | None, threshold: float | None, allow_cloud: bool, fallback: Target | None) -> Terms:
        return Terms(self._choose_threshold(profile, threshold), allow_cloud, check_fallback(fallback))

    def _choose_threshold(self, profile: str | None, threshold: float | None) -> float:
        if threshold is None:
            return self._threshold if profile is None else profile_threshold(self._bundle.manifest, profile)
        if profile is not None:
            raise UsageError("a profile and a threshold were both given", hint="give one of them")
        return check_threshold(threshold)

    def _stream(self, prompts: Iterable[str], terms: Terms, deadline: Deadline, *, chunk: int) -> Iterator[Decision]:
        source = iter(prompts)
        while True:
            encoded: list[TokenizedPrompt] = []
            failure: Exception | None = None
            try:
                for prompt in source:
                    encoded.append(self._tokenizer.encode(prompt))
                    if len(encoded) == chunk:
                        break
            except Exception as error:  # noqa: BLE001 - raised again below, after the decisions before it
                failure = error
            yield from self._route_together(encoded, terms, deadline)
            if failure is not None:
                raise failure
            if len(encoded) < chunk:
                return

    def _route_together(
        self, encoded: Sequence[TokenizedPrompt], terms: Terms, deadline: Deadline
    ) -> Iterator[Decision]:
        from vibe_router.batching import batches

        scorer = self._scorer_here()
        logits: dict[int, float] = {}
        for batch in batches([len(item.ids) for item in encoded]):
            try:
                scores = scorer.logits([encoded[index].ids for index in batch], deadline=deadline)
            except EngineError:
                if terms.need_a_score:
                    raise
                # Its prompts have no logit yet, and are tried alone below.
                continue
            logits.update(zip(batch, scores.tolist(), strict=True))
        band = self._band()
        for index, item in enumerate(encoded):
            if index in logits and abs(sigmoid(logits[index]) - terms.threshold) > band:
                yield terms.decide(logits[index], item, engine=scorer.engine.name)
            else:
                yield self._route_alone(item, terms, deadline)

    def _band(self) -> float:
        """Return how close to the threshold a score must be for its batch to be able to change the decision.

        Rounding differs with the batch: by about 1e-6 in fp32, by far more in int8, whose activation scales
        are taken over the whole batch. Such prompts are scored again alone, so that batches never change a
        decision.
        """
        for file in self._bundle.manifest.engines:
            if file.file == self.engine.file and file.precision != "fp32":
                return max(LOW_PRECISION_BAND, file.parity.band if file.parity else 0.0)
        return _FP32_BAND

    def _route_alone(self, item: TokenizedPrompt, terms: Terms, deadline: Deadline) -> Decision:
        scorer = self._scorer_here()
        try:
            (logit,) = scorer.logits([item.ids], deadline=deadline)
        except EngineError as error:
            return terms.decide_after(error, item, engine=scorer.engine.name)
        return terms.decide(float(logit), item, engine=scorer.engine.name)


def _load_again(folder: Path, origin: Origin, profile: str | None) -> Router:
    return Router.load(
        folder,
        engine=origin.engine,
        precision=origin.precision,
        threads=origin.threads,
        usage=origin.usage,
        profile=profile,
        verify=origin.verify,
    )


def _several(prompts: Iterable[str]) -> Iterable[str]:
    if isinstance(prompts, (str, bytes)):
        raise UsageError("prompts must be several texts, not one", hint="pass a list, or call route")
    return prompts


_FP32_BAND = 1e-4
