"""JSON from a stranger into dataclasses: an unknown key, a missing key or a wrong type is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from vibe_router.errors import BundleCorruptError

AGAIN = "download or export the bundle again"
# No manifest and no architecture comes near these. They bound what a file of a few kilobytes can cost.
_MOST_ENTRIES = 4096
_MOST_CHARACTERS = 4096
_MOST_INTEGER = 2**53
_SHOWN = 64

T = TypeVar("T")


def load_strictly(text: str | bytes, *, parse_float: Callable[[str], float] | None = None) -> Any:
    """Return the value of JSON text; `parse_float` reads its fractions, where it is given.

    Raises:
        ValueError: not JSON, a key twice in one object, or a number that JSON does not have.
        RecursionError: nested too deeply.
    """
    return json.loads(
        text, parse_constant=_refuse_constant, parse_float=parse_float, object_pairs_hook=_refuse_duplicates
    )


def parse_json(text: str | bytes, where: str) -> Any:
    """Return the value of JSON text; `where` names it in errors.

    Raises:
        BundleCorruptError: not JSON, a key twice in one object, or a number that JSON does not have.
    """
    try:
        return load_strictly(text)
    except (ValueError, RecursionError) as error:
        raise BundleCorruptError(f"{where} is not valid JSON: {error}", hint=AGAIN) from error


def read_record(expected: Any, value: Any, where: str) -> Any:
    """Check `value` (parsed JSON) against the type `expected`, build and return it; `where` names it in errors.

    Types are those of JSON, dataclasses of such types, tuples and dictionaries of one type, and T | None.

    Raises:
        BundleCorruptError: a missing or unknown key, another type, a number that is not finite or an integer beyond
            2^53, a text with a lone surrogate or of more than 4,096 characters, a list of more than 4,096 entries.
    """
    origin, arguments = get_origin(expected), get_args(expected)
    if origin in (UnionType, Union):
        if value is None and NoneType in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return read_record(inner, value, where)
    if is_dataclass(expected) and isinstance(expected, type):
        return _read_dataclass(expected, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _corrupt(f"{where} must be a list")
        _require_few(value, where)
        return tuple(read_record(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _corrupt(f"{where} must be an object")
        _require_few(value, where)
        for key in value:
            _require_text(key, where)
        return {key: read_record(arguments[1], item, f"{where}[{shown(key)}]") for key, item in value.items()}
    if isinstance(value, int) and abs(value) > _MOST_INTEGER:
        raise _corrupt(f"{where} is out of range")
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise _corrupt(f"{where} must be of type {expected.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _corrupt(f"{where} must be finite")
    if isinstance(value, str):
        _require_text(value, where)
    return value


def shown(text: object) -> str:
    """Return the beginning of `text` as an error message may repeat it: quoted, with escapes for what is not print."""
    try:
        return repr(text[:_SHOWN] if isinstance(text, str) else text)[: 2 * _SHOWN]
    except Exception:  # noqa: BLE001 - a class of the caller's own; an integer of thousands of digits
        return f"of type {type(text).__name__}"


def _require_text(text: str, where: str) -> None:
    """Refuse what cannot be written as UTF-8, and what is too long to be a name, a path or a sentence."""
    if len(text) > _MOST_CHARACTERS:
        raise _corrupt(f"{where} has a text of {len(text)} characters")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _corrupt(f"{where} has a text with a lone surrogate, {shown(text)}")


def _require_few(values: list[Any] | dict[str, Any], where: str) -> None:
    if len(values) > _MOST_ENTRIES:
        raise _corrupt(f"{where} has {len(values)} entries; at most {_MOST_ENTRIES} are read")


def _read_dataclass(expected: type[T], value: Any, where: str) -> T:
    if not isinstance(value, dict):
        raise _corrupt(f"{where} must be an object")
    known = {field.name: field for field in fields(expected)}  # type: ignore[arg-type]
    for key in value:
        if key not in known:
            raise _corrupt(f"{where} has an unknown key {shown(key)}")
    for name, field in known.items():
        if name not in value and field.default is MISSING:
            raise _corrupt(f"{where} lacks the key {name!r}")
    types = _types_of(expected)  # type: ignore[arg-type] # a class has a hash
    return expected(**{key: read_record(types[key], item, f"{where}.{key}") for key, item in value.items()})


@cache
def _types_of(expected: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields. Python compiles their texts anew each time it is asked."""
    return get_type_hints(expected)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _corrupt(message: str) -> BundleCorruptError:
    return BundleCorruptError(message, hint=AGAIN)
