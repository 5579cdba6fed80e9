"""Keys: from the environment or the operating system's keychain, and never shown."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass

from vibe_router.errors import MissingExtraError, UsageError


@dataclass(frozen=True, repr=False, slots=True)
class Secret:
    """A value that no repr, format or error shows; `reveal` is the one way to it."""

    _value: str

    def reveal(self) -> str:
        """Return the value, for a header and nothing else."""
        return self._value

    def matches(self, given: str) -> bool:
        """Return whether `given` is the value, in a time that does not depend on where they differ."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._value.encode("utf-8", "replace"))

    def __repr__(self) -> str:
        return "Secret(***)"


def read_key(
    *, variable: str, keyring_entry: str, where: str, environment: Mapping[str, str] | None = None
) -> Secret | None:
    """Return the key that the variable or the keychain entry holds, None where neither is named.

    Raises:
        UsageError: what is named holds nothing, or holds something that no header may carry.
        MissingExtraError: the keychain is named and keyring is not installed.
    """
    if variable:
        value = (os.environ if environment is None else environment).get(variable, "").strip()
        if not value:
            raise UsageError(f"{where}: the variable {variable} is not set", hint=f"export {variable}=...")
        return checked_secret(value, where)
    if keyring_entry:
        return checked_secret(_from_keyring(keyring_entry, where), where)
    return None


def checked_secret(value: str, where: str) -> Secret:
    """Return `value`, which a header can carry.

    Raises:
        UsageError: it has other characters.
    """
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"{where}: the key has characters that a header cannot carry", hint="copy it again")
    return Secret(value)


def _from_keyring(entry: str, where: str) -> str:
    service, separator, user = entry.partition("/")
    if not separator or not service or not user:
        raise UsageError(f"{where}: key_keyring is not SERVICE/USER", hint='write it as "openai/me"')
    try:
        import keyring
    except ImportError as error:
        raise MissingExtraError("a key in the keychain", extra="serve", missing="keyring") from error
    try:
        value: str | None = keyring.get_password(service, user)
    except Exception as error:
        raise UsageError(f"{where}: the keychain cannot be read", hint="unlock it, or use key_env") from error
    if not value:
        raise UsageError(f"{where}: the keychain has no entry {entry}", hint=f"keyring set {service} {user}")
    return value.strip()
