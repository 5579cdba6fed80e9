"""Text from bundles, checkpoints, data and other libraries' errors as a terminal may show it."""

from __future__ import annotations

import re

# Controls of C0 but tab and line feed, of C1, line and paragraph separators, marks of direction, lone surrogates.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return `text` with escapes, such as \\u001b, for characters that a terminal obeys instead of showing them."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def first_line(error: BaseException) -> str:
    """Return the first line of what another library's error says, or the name of its class where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
