"""The router's calls for many prompts: `route_many`, `aroute_many` and `route_stream`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, overload

from vibe_router.bundle.strict_json import shown
from vibe_router.errors import UsageError, VibeRouterError
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.routing.deadline import NO_DEADLINE, Deadline

if TYPE_CHECKING:
    from vibe_router.policy import Decision, Target
    from vibe_router.routing.call import Terms
    from vibe_router.routing.scorer import ProcessScorer
    from vibe_router.text.protocol import Tokenizer

# Prompts whose ids are held at a time: for answers soon, and for batches of nearly equal lengths.
_CHUNK = 256
_LARGE_CHUNK = 4096


class ManyCalls:
    """What `Router` does with many prompts. It is a part of `Router`, and of nothing else."""

    _tokenizer: Tokenizer
    _scorer: ProcessScorer

    @overload
    def route_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = ...,
        threshold: float | None = ...,
        allow_cloud: bool = ...,
        fallback: Target | None = ...,
        timeout: float | None = ...,
        on_error: Literal["raise"] = ...,
        progress: ProgressCallback | None = ...,
    ) -> list[Decision]: ...

    @overload
    def route_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = ...,
        threshold: float | None = ...,
        allow_cloud: bool = ...,
        fallback: Target | None = ...,
        timeout: float | None = ...,
        on_error: Literal["skip"],
        progress: ProgressCallback | None = ...,
    ) -> list[Decision | None]: ...

    def route_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        timeout: float | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        progress: ProgressCallback | None = None,
    ) -> list[Decision] | list[Decision | None]:
        """Return one decision a prompt, in the prompts' order, equal in target to `route` on each.

        Prompts of similar length are scored together; see `route_stream` for input that does not fit into
        memory. The timeout is for all of them: those that have no score by then get the fallback. Where a batch
        fails, its prompts are tried alone, so that one of them costs the others nothing. With `on_error="skip"` a
        prompt that cannot be routed has None in its place. No decision is lost by an error: it has those before it as
        `error.decided`.

        Raises:
            PromptError: as `route`; the message names the prompt's place, counted from 0.
            DeadlineError, EngineError, UsageError: as `route`.
        """
        from vibe_router.routing.many import note_decided

        terms = self._terms(profile, threshold, allow_cloud, fallback)
        deadline = Deadline.after(timeout)
        if progress is not None and not callable(progress):
            raise UsageError(f"progress is {shown(progress)}", hint="give a function of a Progress, or None")
        total = len(prompts) if isinstance(prompts, Sequence) else None
        decisions: list[Decision | None] = []
        try:
            for decision in self._stream(prompts, terms, deadline, chunk=_LARGE_CHUNK, on_error=on_error):
                decisions.append(decision)
                if progress is not None:
                    progress(Progress(len(decisions), total))
        except VibeRouterError as error:
            note_decided(error, decisions)
            raise
        return decisions

    @overload
    async def aroute_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = ...,
        threshold: float | None = ...,
        allow_cloud: bool = ...,
        fallback: Target | None = ...,
        timeout: float | None = ...,
        on_error: Literal["raise"] = ...,
    ) -> list[Decision]: ...

    @overload
    async def aroute_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = ...,
        threshold: float | None = ...,
        allow_cloud: bool = ...,
        fallback: Target | None = ...,
        timeout: float | None = ...,
        on_error: Literal["skip"],
    ) -> list[Decision | None]: ...

    async def aroute_many(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        timeout: float | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> list[Decision] | list[Decision | None]:
        """Return what `route_many` returns, without holding the event loop: a thread of the router's own does the work.

        `prompts` are taken at once, in the caller's thread. A cancelled call stops its engine.

        Raises:
            As `route_many`.
        """
        from vibe_router.routing.many import decide_many_awaited, several

        terms = self._terms(profile, threshold, allow_cloud, fallback)
        deadline = Deadline.after(timeout)
        taken, skip = list(several(prompts)), _skips(on_error)
        return await decide_many_awaited(self._scorer, self._tokenizer, taken, terms, deadline, chunk=_CHUNK, skip=skip)

    @overload
    def route_stream(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = ...,
        threshold: float | None = ...,
        allow_cloud: bool = ...,
        fallback: Target | None = ...,
        on_error: Literal["raise"] = ...,
        chunk: int = ...,
    ) -> Iterator[Decision]: ...

    @overload
    def route_stream(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = ...,
        threshold: float | None = ...,
        allow_cloud: bool = ...,
        fallback: Target | None = ...,
        on_error: Literal["skip"],
        chunk: int = ...,
    ) -> Iterator[Decision | None]: ...

    def route_stream(
        self,
        prompts: Iterable[str],
        *,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        chunk: int = _CHUNK,
    ) -> Iterator[Decision] | Iterator[Decision | None]:
        """Yield one decision a prompt, in order, holding at most `chunk` prompts' ids in memory.

        When `prompts` raises, or a prompt cannot be tokenized, the prompts before it are decided first: the
        number of decisions received is the place of the prompt that failed. With `on_error="skip"` a prompt that cannot
        be routed has None in its place. There is no timeout, because the time is that of `prompts` and of the caller.

        Raises:
            PromptError, EngineError, UsageError: as `route_many`.
        """
        if not isinstance(chunk, int) or chunk < 1:
            raise UsageError(f"chunk must be at least 1, not {shown(chunk)}")
        terms = self._terms(profile, threshold, allow_cloud, fallback)
        return self._stream(prompts, terms, NO_DEADLINE, chunk=chunk, on_error=on_error)

    def _terms(self, profile: str | None, threshold: float | None, allow_cloud: bool, fallback: Target | None) -> Terms:
        raise NotImplementedError

    def _stream(
        self, prompts: Iterable[str], terms: Terms, deadline: Deadline, *, chunk: int, on_error: str
    ) -> Iterator[Decision | None]:
        from vibe_router.routing.many import decide_stream, several

        skip = _skips(on_error)
        return decide_stream(self._scorer, self._tokenizer, several(prompts), terms, deadline, chunk=chunk, skip=skip)


def _skips(on_error: str) -> bool:
    if not isinstance(on_error, str) or on_error not in ("raise", "skip"):
        raise UsageError(f"on_error is {shown(on_error)}", hint='give "raise" or "skip"')
    return on_error == "skip"
