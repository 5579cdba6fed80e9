"""The router: prompt -> ids -> logit -> decision, one prompt or many."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from vibe_router.bundle import Bundle, open_bundle
from vibe_router.engines.usage import Usage
from vibe_router.errors import PromptError, UsageError
from vibe_router.events import Progress, ProgressCallback
from vibe_router.policy import LOW_PRECISION_BAND, Decision, check_threshold, decide, profile_threshold, sigmoid

if TYPE_CHECKING:
    from vibe_router.engines.protocol import Engine
    from vibe_router.tokenizer import PromptTokenizer, TokenizedPrompt

# Prompts whose ids are held at a time: for answers soon, and for batches of nearly equal lengths.
_CHUNK = 256
_LARGE_CHUNK = 4096


class Router:
    """Routes prompts with one bundle on one engine. Made by `Router.load`; safe to use from many threads."""

    def __init__(
        self, bundle: Bundle, tokenizer: PromptTokenizer, engine: Engine, *, profile: str | None = None
    ) -> None:
        """Put checked parts together; `profile` None means the bundle's default."""
        self._bundle = bundle
        self._tokenizer = tokenizer
        self._engine = engine
        self._threshold = profile_threshold(bundle.manifest, profile)

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
    ) -> Router:
        """Return a router for a bundle: None for the bundled default, a folder, or a hub id "org/name".

        `engine` is "auto" or a name such as "onnx-cpu", `precision` "auto" or one of the bundle's,
        `threads` how many CPU threads a prompt may use (None: the CPUs this process may use), `profile` the
        default threshold's, `usage` whether to be fast at every prompt or ready soonest. All files of the bundle are
        checked against the manifest before any decision.

        Raises:
            BundleNotFoundError: no bundle there.
            BundleCorruptError: a file is missing or altered.
            SchemaError: a manifest that this version cannot read.
            EngineUnavailableError: the engine or precision is unknown or cannot run here.
            EngineError: the engine refuses the file.
            UsageError: an unknown profile or a wrong number of threads.
        """
        from vibe_router.engines.choice import choose_engine
        from vibe_router.tokenizer import PromptTokenizer

        bundle = open_bundle(source)
        profile_threshold(bundle.manifest, profile)
        tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=bundle.manifest.max_tokens)
        loaded = choose_engine(bundle, engine=engine, precision=precision, threads=threads, usage=usage)
        bundle.check(skip={"tokenizer.json", loaded.file})
        return cls(bundle, tokenizer, loaded, profile=profile)

    @property
    def bundle(self) -> Bundle:
        """The bundle that routes."""
        return self._bundle

    @property
    def engine(self) -> Engine:
        """The engine that scores."""
        return self._engine

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
    ) -> Decision:
        """Return the decision for one prompt.

        `profile` or `threshold` (on the scale of `Decision.p_cloud`) replace the router's threshold for
        this call. With `allow_cloud=False` the target is the device, whatever the score.

        Raises:
            PromptError: not text, or text that cannot be tokenized.
            EngineError: the engine failed.
            UsageError: an unknown profile, a threshold outside 0..1, or both given.
        """
        chosen = self._choose_threshold(profile, threshold)
        return self._route_alone(self._tokenizer.encode(prompt), chosen, allow_cloud)

    def route_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        progress: ProgressCallback | None = None,
    ) -> list[Decision]:
        """Return one decision a prompt, in the prompts' order, equal in target to `route` on each.

        Prompts of similar length are scored together; see `route_stream` for input that does not fit into
        memory.

        Raises:
            PromptError: as `route`; the message names the prompt's place, counted from 0.
            EngineError: the engine failed.
            UsageError: as `route`.
        """
        total = len(prompts) if isinstance(prompts, Sequence) else None
        decisions: list[Decision] = []
        stream = self.route_stream(
            prompts, profile=profile, threshold=threshold, allow_cloud=allow_cloud, chunk=_LARGE_CHUNK
        )
        try:
            for decision in stream:
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
        chunk: int = _CHUNK,
    ) -> Iterator[Decision]:
        """Yield one decision a prompt, in order, holding at most `chunk` prompts' ids in memory.

        When `prompts` raises, or a prompt cannot be tokenized, the prompts before it are decided first: the
        number of decisions received is the place of the prompt that failed.

        Raises:
            PromptError, EngineError, UsageError: as `route_many`.
        """
        if isinstance(prompts, (str, bytes)):
            raise UsageError("prompts must be several texts, not one", hint="pass a list, or call route")
        if chunk < 1:
            raise UsageError(f"chunk must be at least 1, not {chunk}")
        chosen = self._choose_threshold(profile, threshold)
        return self._stream(prompts, chosen, allow_cloud, chunk)

    def close(self) -> None:
        """Release the engine's memory; the router cannot be used afterwards."""
        self._engine.close()

    def __enter__(self) -> Router:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _choose_threshold(self, profile: str | None, threshold: float | None) -> float:
        if threshold is None:
            return self._threshold if profile is None else profile_threshold(self._bundle.manifest, profile)
        if profile is not None:
            raise UsageError("a profile and a threshold were both given", hint="give one of them")
        return check_threshold(threshold)

    def _stream(self, prompts: Iterable[str], threshold: float, allow_cloud: bool, chunk: int) -> Iterator[Decision]:
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
            yield from self._route_batch(encoded, threshold, allow_cloud)
            if failure is not None:
                raise failure
            if len(encoded) < chunk:
                return

    def _route_batch(
        self, encoded: Sequence[TokenizedPrompt], threshold: float, allow_cloud: bool
    ) -> Iterator[Decision]:
        from vibe_router.batching import score_batches

        logits = score_batches(
            self._engine, [item.ids for item in encoded], pad_token_id=self._bundle.manifest.pad_token_id
        )
        band = self._band()
        for item, logit in zip(encoded, logits, strict=True):
            if abs(sigmoid(float(logit)) - threshold) <= band:
                yield self._route_alone(item, threshold, allow_cloud)
            else:
                yield self._decide(float(logit), item, threshold, allow_cloud)

    def _band(self) -> float:
        """Return how close to the threshold a score must be for its batch to be able to change the decision.

        Rounding differs with the batch: by about 1e-6 in fp32, by far more in int8, whose activation scales
        are taken over the whole batch. Such prompts are scored again alone, so that batches never change a
        decision.
        """
        for file in self._bundle.manifest.engines:
            if file.file == self._engine.file and file.precision != "fp32":
                return max(LOW_PRECISION_BAND, file.parity.band if file.parity else 0.0)
        return _FP32_BAND

    def _route_alone(self, item: TokenizedPrompt, threshold: float, allow_cloud: bool) -> Decision:
        from vibe_router.batching import score_alone

        return self._decide(score_alone(self._engine, item.ids), item, threshold, allow_cloud)

    def _decide(self, logit: float, item: TokenizedPrompt, threshold: float, allow_cloud: bool) -> Decision:
        return decide(
            logit,
            threshold=threshold,
            tokens=len(item.ids),
            truncated=item.truncated,
            engine=self._engine.name,
            allow_cloud=allow_cloud,
        )


_FP32_BAND = 1e-4
