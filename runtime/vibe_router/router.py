"""The router: prompt -> ids -> logit -> decision, one prompt or many.

What a call does when there is no score to decide with:

    what happens                           allow_cloud=False    fallback=Target.X    neither
    the engine fails, or gives no score    device, pinned       X, fallback          EngineError
    the timeout passes                     device, pinned       X, fallback          DeadlineError
    the router has been closed             device, pinned       X, fallback          EngineError
    the prompt cannot be routed            PromptError          PromptError          PromptError
    an argument is wrong                   UsageError           UsageError           UsageError
    the bundle is missing or damaged       raised by `Router.load`: there is no router to ask  (docs/failures.md)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from vibe_router.bundle.bundle import TOKENIZER, Bundle, check_verify_mode, open_bundle
from vibe_router.conversation.calls import ChatCalls
from vibe_router.conversation.scores import RecentScores
from vibe_router.engines.choice import AUTO, EngineChoice
from vibe_router.engines.usage import Usage
from vibe_router.errors import UsageError
from vibe_router.policy import Call, Decision, Target, check_threshold, profile_threshold
from vibe_router.routing.call import Terms, check_allow_cloud, check_fallback, decide_one
from vibe_router.routing.calls import ManyCalls
from vibe_router.routing.deadline import NO_DEADLINE, Deadline

if TYPE_CHECKING:
    from vibe_router.engines.protocol import Engine
    from vibe_router.text.protocol import Tokenizer


class Router(ManyCalls, ChatCalls):
    """Routes prompts with one bundle on one engine. Made by `Router.load`; safe to use from many threads."""

    def __init__(
        self,
        bundle: Bundle,
        tokenizer: Tokenizer,
        engine: Engine,
        *,
        profile: str | None = None,
        at_once: int = 2,
        choice: EngineChoice | None = None,
        verify: str = "used",
    ) -> None:
        """Put checked parts together.

        `profile` None means the bundle's default; at most `at_once` engine calls run at a time, the others wait for
        their turn. `choice` is what other processes load to get the same engine: a forked child, which cannot use its
        parent's threads, and a process that unpickles the router. None means that the engine serves a forked child
        too, and that the router cannot be pickled. `verify` is that of `Router.load`.
        """
        # A program that only imports the router needs none of it.
        from vibe_router.routing.scorer import ProcessScorer

        self._bundle = bundle
        self._tokenizer = tokenizer
        self._profile = profile
        self._threshold = profile_threshold(bundle.manifest, profile)
        self._choice = choice
        self._verify = verify
        self._recent_scores = RecentScores()
        self._scorer = ProcessScorer(
            engine, at_once=at_once, reload=None if choice is None else partial(_load_engine, bundle, choice, verify)
        )

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str] | None = None,
        *,
        engine: str = AUTO,
        precision: str = AUTO,
        threads: int | None = None,
        profile: str | None = None,
        usage: Usage = Usage.REPEATEDLY,
        verify: str = "used",
    ) -> Router:
        """Return a router for a bundle: None for the bundled default, a folder, or "hf://org/name".

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
        from vibe_router.engines.select import select_engine

        choice = EngineChoice(source=source, engine=engine, precision=precision, threads=threads, usage=usage)
        bundle = open_bundle(source, hashed=check_verify_mode(verify) != "off")
        profile_threshold(bundle.manifest, profile)
        with select_engine(bundle, choice, verify=verify) as selected:
            # Read before the engine: its temporary memory can be reused.
            tokenizer = _read_tokenizer(bundle, selected.tokenizer)
            loaded = selected.load()
        # What was chosen, so that no other process chooses otherwise.
        again = replace(choice, source=bundle.folder, engine=loaded.name, precision=loaded.precision)
        # Batches on every CPU, and one call more.
        at_once = 1 + max(2, os.cpu_count() or 1)
        return cls(bundle, tokenizer, loaded, profile=profile, at_once=at_once, choice=again, verify=verify)

    @property
    def bundle(self) -> Bundle:
        """The bundle that routes."""
        return self._bundle

    @property
    def engine(self) -> Engine:
        """The engine that scores, in this process."""
        return self._scorer.here().engine

    @property
    def tokenizer(self) -> Tokenizer:
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
        deadline = NO_DEADLINE if timeout is None else Deadline.after(timeout)
        item = self._tokenizer.encode(prompt)
        return decide_one(self._scorer.here(), item, terms, deadline)

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
        from vibe_router.routing.call import decide_awaited

        terms = self._terms(profile, threshold, allow_cloud, fallback)
        deadline = Deadline.after(timeout)
        return await decide_awaited(self._scorer.here(), self._tokenizer, prompt, terms, deadline)

    def close(self) -> None:
        """Release the engine's memory; calls that run are asked to stop, and there are no scores afterwards."""
        self._scorer.close()

    def __reduce__(self) -> tuple[Callable[..., Router], tuple[object, ...]]:
        """Pickle what to load, not what is loaded: unpickling is `Router.load`, with all its checks and its time."""
        if self._choice is None:
            raise TypeError("a Router that Router.load has not made cannot be pickled")
        return _load_again, (self._choice, self._profile, self._verify)

    def __enter__(self) -> Router:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _terms(self, profile: str | None, threshold: float | None, allow_cloud: bool, fallback: Target | None) -> Terms:
        manifest, chosen = self._bundle.manifest, self._choose_threshold(profile, threshold)
        named = (profile or self._profile or manifest.default_profile) if threshold is None else None
        call = Call(profile=named, bundle=manifest.name, bundle_version=manifest.version)
        return Terms(chosen, check_allow_cloud(allow_cloud), check_fallback(fallback), call)

    def _choose_threshold(self, profile: str | None, threshold: float | None) -> float:
        if threshold is None:
            return self._threshold if profile is None else profile_threshold(self._bundle.manifest, profile)
        if profile is not None:
            raise UsageError("a profile and a threshold were both given", hint="give one of them")
        return check_threshold(threshold)


def _read_tokenizer(bundle: Bundle, read: Tokenizer | None) -> Tokenizer:
    """Return the tokenizer of the bundle's file, whose hash is checked, or `read`, which comes from another file of it.

    The libraries for it are imported while a thread hashes the weights.
    """
    content = bundle.read(TOKENIZER)
    if read is not None:
        return read
    from vibe_router.text.tokenizer import PromptTokenizer

    return PromptTokenizer(content, max_tokens=bundle.manifest.max_tokens)


def _load_engine(bundle: Bundle, choice: EngineChoice, verify: str) -> Engine:
    """Return the engine for a forked child, after the checks of `Router.load`."""
    from vibe_router.engines.select import load_engine

    bundle.read(TOKENIZER)
    return load_engine(bundle, choice, verify=verify)


def _load_again(choice: EngineChoice, profile: str | None, verify: str) -> Router:
    return Router.load(
        choice.source,
        engine=choice.engine,
        precision=choice.precision,
        threads=choice.threads,
        usage=choice.usage,
        profile=profile,
        verify=verify,
    )
