"""What is given as a prompt, as a plain `str`."""

from __future__ import annotations

from vibe_router.errors import PromptError


def plain_text(prompt: object) -> str:
    """Return a text as a `str` itself: a subclass may do anything in the methods that tokenizers call.

    Raises:
        PromptError: it is no text.
    """
    if not isinstance(prompt, str):
        raise PromptError(f"a prompt must be a str, not {type(prompt).__name__}", hint="pass the request's text")
    return str.__str__(prompt)
