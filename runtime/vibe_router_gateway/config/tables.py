"""One TOML table, or the variables of one section, into a settings dataclass; what is wrong is named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, TypeVar, get_type_hints

from vibe_router.errors import UsageError
from vibe_router.policy import suggest
from vibe_router.real_number import real_number
from vibe_router_gateway.header_text import is_sendable

Section = TypeVar("Section")


def read_section(kind: type[Section], table: object, where: str, defaults: Section) -> Section:
    """Return `defaults` with the table's values.

    Raises:
        UsageError: not a table, a key that `kind` does not have, or a value of another type or out of range.
    """
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table", hint=f"write [{where}] and its keys below it")
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    values = {item: getattr(defaults, item) for item in known}
    for key, value in table.items():
        if key in ("key", "api_key"):
            raise UsageError(
                f"{where}.{key}: a key does not belong into a file",
                hint='name a variable with key_env = "OPENAI_API_KEY", or a keychain entry with key_keyring',
            )
        if key not in known:
            raise UsageError(f"{where} has no key {key!r}", hint=suggest(key, known))
        values[key] = _value(value, hints[key], known[key], f"{where}.{key}")
    return kind(**values)


def read_environment(kind: type[Any], section: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that VIBE_SECTION_KEY variables give, as the TOML file would.

    Raises:
        UsageError: a value is not of its field's type.
    """
    found: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for item in fields(kind):
        name = f"VIBE_{section}_{item.name}".upper()
        if environment.get(name):
            found[item.name] = _from_text(environment[name], hints[item.name], name)
    return found


def _from_text(text: str, hint: object, name: str) -> object:
    if hint is bool:
        lowered = text.strip().lower()
        if lowered in ("1", "true", "yes", "on"):
            return True
        if lowered in ("0", "false", "no", "off"):
            return False
        raise UsageError(f"{name} is {text!r}, neither true nor false", hint="write true or false")
    if hint in (int, float):
        try:
            return int(text) if hint is int else float(text)
        except ValueError as error:
            raise UsageError(f"{name} is {text!r}, not a number", hint="write a number") from error
    if hint == tuple[str, ...]:
        return [part.strip() for part in text.split(",") if part.strip()]
    if hint == dict[str, str]:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        return {key.strip(): value.strip() for key, _, value in pairs}
    return text


def _value(value: object, hint: object, item: Field[Any], where: str) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = real_number(value)
    if hint in (bool, int, float, str):
        # To isinstance a bool is an int, but no setting is meant so.
        if type(value) is not hint:
            raise UsageError(f"{where} is {_shown(value)}, not {_NAMES[hint]}", hint=f"give {_NAMES[hint]}")
        if hint in (int, float):
            _check_range(value, item, where)
        if isinstance(value, str):
            _check_text(value, where)
        return value
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise UsageError(f"{where} is not a list of texts", hint=f'write {item.name} = ["a", "b"]')
        for part in value:
            _check_text(part, where)
        return tuple(value)
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise UsageError(f"{where} is not a table of texts", hint=f'write {item.name} = {{ name = "value" }}')
    for name, part in value.items():
        _check_text(name, where)
        _check_text(part, where)
    return dict(value)


def _check_range(value: object, item: Field[Any], where: str) -> None:
    assert isinstance(value, int | float)
    least, most = item.metadata.get("least", -math.inf), item.metadata.get("most", math.inf)
    if not least <= value <= most:
        # As a float, because Python does not write whole numbers of more than 4,300 digits.
        shown = f"{real_number(value):g}"
        raise UsageError(f"{where} is {shown}, outside {least:g} to {most:g}", hint=f"give a number from {least:g}")


def _check_text(text: str, where: str) -> None:
    """Check that a text can be a part of a path, a URL or a header."""
    if not is_sendable(text):
        raise UsageError(f"{where} has control characters", hint="write it in one line, without them")


def _shown(value: object) -> str:
    if isinstance(value, bool | str):
        return f"{value!r:.40}"
    return f"{real_number(value):g}" if isinstance(value, int | float) else f"a {type(value).__name__}"


_NAMES: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
