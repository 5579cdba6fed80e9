"""What is given as a prompt, as a plain `str`, and what both readers of prompts say of one that they cannot read."""

from __future__ import annotations

from vibe_router.errors import PromptError

MOST_MARKS = 1024
"""Characters in a row after which no place to cut is looked for; Unicode's stream-safe format allows 30 marks."""
READ_THE_BEGINNING = "route the beginning of the prompt"
UNBROKEN = "the prompt has a run of characters without any break; shorten it"
MARKS_IN_A_ROW = (
    f"the prompt has {MOST_MARKS} combining or unassigned characters in a row",
    "remove the run of combining marks",
)
"""Message and hint; the two above are hints."""


def plain_text(prompt: object) -> str:
    """Return a text as a `str` itself: a subclass may do anything in the methods that tokenizers call.

    Raises:
        PromptError: it is no text.
    """
    if not isinstance(prompt, str):
        raise PromptError(f"a prompt must be a str, not {type(prompt).__name__}", hint="pass the request's text")
    return str.__str__(prompt)
