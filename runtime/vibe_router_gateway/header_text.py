"""What an HTTP header may carry."""

from __future__ import annotations

import re

# Controls but tab, with which a value could begin another header, and halves of characters, which have no bytes.
_UNSENDABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_NAME = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def is_name(text: str) -> bool:
    """Return whether a header may have this name."""
    return _NAME.fullmatch(text) is not None


def is_sendable(value: str) -> bool:
    """Return whether a header may carry `value`; what came from elsewhere and may not is left out."""
    return _UNSENDABLE.search(value) is None
