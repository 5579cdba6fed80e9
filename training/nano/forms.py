"""The same request in another form: white space, case, punctuation, typing errors, emoji, courtesies, preambles.

None of them changes who answers better, so the student is taught each with the p of the plain prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from vibe_router_tools.evaluation.logistic import FloatArray

Form = Callable[[str, np.random.Generator], str]

_EMOJI = ("🙂", "😀", "👍", "🙏", "😂", "❤️", "🤔", "😊", "🎉", "🔥", "😅", "🥺")
_BEFORE = ("please ", "Please ", "please, ", "Hi, ", "hey, ", "Hello! ", "can you help? ")
_AFTER = (" please", ", please", " thanks", ", thanks!", " Thank you!", " thx", " pls", "\n\nThanks")
_PREAMBLES = (
    "You are a helpful assistant.",
    "You are a helpful assistant. ",
    "You are a helpful, respectful and honest assistant.",
    "System: You are a helpful assistant.\nUser:",
    "You are an AI assistant that answers the user's questions.",
)


def _pick(options: Sequence[str], generator: np.random.Generator) -> str:
    return options[int(generator.integers(len(options)))]


def trailing_newlines(prompt: str, generator: np.random.Generator) -> str:
    """Append one newline, a few, or two hundred."""
    return prompt + "\n" * int(_pick_number((1, 1, 1, 2, 5, 40, 200, 200), generator))


def surrounding_space(prompt: str, generator: np.random.Generator) -> str:
    """Put spaces or newlines before, or spaces after."""
    before, after = _pick(("", " ", "  ", "\n", "\n\n"), generator), _pick(("", " ", "   ", " \n"), generator)
    return f"{before}{prompt}{after}"


def doubled_spaces(prompt: str, _: np.random.Generator) -> str:
    """Write two spaces for each."""
    return prompt.replace(" ", "  ")


def capital_first(prompt: str, _: np.random.Generator) -> str:
    """Write the first letter as a capital."""
    return prompt[:1].upper() + prompt[1:]


def lower_case(prompt: str, _: np.random.Generator) -> str:
    """Write everything in lower case."""
    return prompt.lower()


def upper_case(prompt: str, _: np.random.Generator) -> str:
    """Write everything in capitals."""
    return prompt.upper()


def curly_quotes(prompt: str, _: np.random.Generator) -> str:
    """Write quotes and apostrophes as phones do."""
    return re.sub(r'"([^"]*)"', "“\\1”", prompt).replace("'", "’")


def no_final_mark(prompt: str, generator: np.random.Generator) -> str:
    """Drop the final point, question or exclamation mark; add a point where there is none."""
    bare = prompt.rstrip().rstrip(".?!。？！")
    return bare if bare and bare != prompt else f"{prompt}{_pick(('.', '?', '!'), generator)}"


def typing_error(prompt: str, generator: np.random.Generator) -> str:
    """Swap, drop or double letters, about one in forty characters."""
    text = prompt
    for _ in range(1 + min(4, len(prompt) // 40)):
        if len(text) < 5:
            return text
        at = int(generator.integers(1, len(text) - 1))
        if text[at].isalpha() and text[at].isascii():
            swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
            text = _pick((swapped, text[:at] + text[at + 1 :], text[:at] + text[at] + text[at:]), generator)
    return text


def trailing_emoji(prompt: str, generator: np.random.Generator) -> str:
    """Append an emoji or two."""
    return f"{prompt}{_pick((' ', ' ', ''), generator)}{_pick(_EMOJI, generator) * int(generator.integers(1, 3))}"


def courtesy(prompt: str, generator: np.random.Generator) -> str:
    """Add a please, a greeting or thanks."""
    return _pick(_BEFORE, generator) + prompt if generator.random() < 0.5 else prompt + _pick(_AFTER, generator)


def preamble(prompt: str, generator: np.random.Generator) -> str:
    """Put the usual system prompt in front."""
    return f"{_pick(_PREAMBLES, generator)}{_pick((chr(10), chr(10) * 2, ' '), generator)}{prompt}"


FORMS: tuple[Form, ...] = (
    trailing_newlines,
    surrounding_space,
    doubled_spaces,
    capital_first,
    lower_case,
    upper_case,
    upper_case,
    upper_case,
    upper_case,
    curly_quotes,
    no_final_mark,
    typing_error,
    trailing_emoji,
    courtesy,
    preamble,
)
"""All forms, each as often as it is drawn: capitals are the hardest to learn."""


def reform(prompt: str, generator: np.random.Generator) -> str:
    """Return the prompt in a form at random, three times in ten in two of them."""
    count = 2 if generator.random() < 0.3 else 1
    for at in generator.choice(len(FORMS), size=count, replace=False):
        prompt = FORMS[int(at)](prompt, generator)
    return prompt


def _pick_number(options: Sequence[int], generator: np.random.Generator) -> int:
    return options[int(generator.integers(len(options)))]


JUDGED_FORMS: dict[str, Form] = {
    "trailing newline": lambda prompt, _: prompt + "\n",
    "200 newlines": lambda prompt, _: prompt + "\n" * 200,
    "doubled spaces": doubled_spaces,
    "capital first letter": capital_first,
    "lower case": lower_case,
    "upper case": upper_case,
    "trailing emoji": lambda prompt, _: f"{prompt} 🙂",
    "no final point": lambda prompt, _: prompt.rstrip().rstrip(".?!。？！") or prompt,
    "curly quotes": curly_quotes,
    "typing error": typing_error,
    "please or thanks": courtesy,
    "system prompt in front": preamble,
}
"""The forms that a router is judged by."""


def decided_alike(
    prompts: Sequence[str], score: Callable[[Sequence[str]], FloatArray], threshold: float, *, seed: int
) -> dict[str, float]:
    """Return for each judged form the share of `prompts` whose decision at `threshold` it leaves as it is."""
    plain = score(prompts) > threshold
    generator = np.random.default_rng(seed)
    return {
        name: float(np.mean((score([form(prompt, generator) for prompt in prompts]) > threshold) == plain))
        for name, form in JUDGED_FORMS.items()
    }
