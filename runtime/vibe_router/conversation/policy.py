"""The side a conversation is on, from the scores of its turns: pure, with every constant a field.

Turn t of a conversation has a logit z(t), on the scale of the threshold's logit L = log(tau / (1 - tau)), or none where
it says nothing by itself. With x(t) = z(t) - L, and the conversation on side b(t):

    b(1) = cloud             iff x(1) > 0                                   as for a single prompt
    device -> cloud at t     iff x(t) > rise                                rise = 0 where t opens a new topic
    cloud -> device at t     iff the last `calm_turns` scored turns had x < -fall; one is enough on a new topic
    b(t) = b(t-1)            in every other case, and always where t says nothing by itself

docs/conversations.md says what each constant was chosen for, and what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral

from vibe_router.bundle.strict_json import shown
from vibe_router.errors import UsageError
from vibe_router.policy import Target, above, sigmoid
from vibe_router.real_number import real_number

_LARGEST = 2**53
"""More turns, words or tokens than there are, and sums of them fit into 64 bits in every language."""
_LEAST_BYTES = 0.01
"""A hundred tokens for a byte; no tokenizer makes so many."""


@dataclass(frozen=True, kw_only=True)
class ChatPolicy:
    """The constants of a conversation's routing, and what the model on the device can do.

    Margins are in logits, so that they mean the same at every threshold.
    """

    rise: float = 0.5
    """How far above the threshold a later turn must be to leave the device: a change of model costs answers
    and cached prefixes, so that a score next to the threshold is not worth one."""
    fall: float = 0.5
    """How far below the threshold a turn must be to count as calm."""
    calm_turns: int = 3
    """Calm turns in a row before a conversation returns to the device: one easy turn inside a hard conversation
    says little about the next."""
    bare_words: int = 8
    """A longer turn is never taken for one that says nothing by itself."""
    leaning_words: int = 8
    """A longer turn is scored alone: it brings its own material."""
    replayed_turns: int = 32
    """How many of the last turns are replayed; bounds the work for a history that nobody has scored yet."""
    device_context: int = 8192
    """Tokens that the device's model takes. Servers on devices are commonly set to this or less, to save memory."""
    device_tools: bool = True
    """Whether the device's model calls tools; models of a billion parameters do."""
    device_vision: bool = False
    """Whether the device's model sees images."""
    device_audio: bool = False
    """Whether the device's model hears."""
    reserved_tokens: int = 1024
    """Part of the device's context that is kept for the answer."""
    bytes_per_token: float = 3.0
    """UTF-8 bytes of text in a token: about 4 in English prose, 3 in code and in scripts of three bytes a character.
    The smaller one, because a context that is too long fails and a request to the cloud does not."""
    tokens_per_medium: int = 1024
    """Tokens of an image or a recording, whose real number only its model knows."""
    harness_tags: tuple[str, ...] = ("system-reminder", "environment_details", "environment_context")
    """Blocks in user messages that coding assistants write, and no user."""

    def __post_init__(self) -> None:
        counts = (self.calm_turns, self.replayed_turns, self.device_context, self.tokens_per_medium)
        words = (self.bare_words, self.leaning_words, self.reserved_tokens)
        if not all(isinstance(count, Integral) and not isinstance(count, bool) for count in (*counts, *words)):
            raise UsageError("a count of the chat policy is not a whole number", hint="give integers")
        if min(counts) < 1 or min(words) < 0:
            raise UsageError("a number of the chat policy is too small", hint="counts are at least 1, words at least 0")
        if max(*counts, *words) > _LARGEST:
            raise UsageError("a number of the chat policy is too large", hint=f"give at most {_LARGEST}")
        if not all(0 <= real_number(margin) < math.inf for margin in (self.rise, self.fall)):
            raise UsageError("a margin of the chat policy is not a number from 0 on", hint="give logits, such as 0.5")
        if not _LEAST_BYTES <= real_number(self.bytes_per_token) < math.inf:
            raise UsageError(f"bytes_per_token is not a number from {_LEAST_BYTES} on", hint="for example 3.0")
        # A text such as "false" would count as true.
        for name in ("device_tools", "device_vision", "device_audio"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is {shown(getattr(self, name))}", hint="give True or False")
        if not isinstance(self.harness_tags, tuple) or not all(isinstance(tag, str) for tag in self.harness_tags):
            raise UsageError("harness_tags is not a tuple of texts", hint='for example ("system-reminder",)')


@dataclass(frozen=True)
class Observation:
    """One turn as the policy sees it: its logit, None where it says nothing by itself, and whether the topic is new."""

    logit: float | None
    new_topic: bool = False


def threshold_logit(threshold: float) -> float:
    """Return log(threshold / (1 - threshold)); infinite at 0 and 1."""
    if threshold in (0.0, 1.0):
        return math.inf if threshold else -math.inf
    return math.log(threshold) - math.log1p(-threshold)


def sides(turns: Iterable[Observation], *, threshold: float, policy: ChatPolicy) -> list[Target]:
    """Return the side of a conversation after each of its turns."""
    bound = threshold_logit(threshold)
    found: list[Target] = []
    side: Target | None = None
    calm = 0
    for turn in turns:
        if turn.logit is not None:
            excess = turn.logit - bound
            calm = calm + 1 if excess < -policy.fall else 0
            if side is None:
                side = Target.CLOUD if above(sigmoid(turn.logit), threshold) else Target.DEVICE
            elif side is Target.DEVICE:
                side = Target.CLOUD if excess > (0.0 if turn.new_topic else policy.rise) else side
            elif calm >= (1 if turn.new_topic else policy.calm_turns):
                side = Target.DEVICE
        found.append(side or Target.DEVICE)
    return found
