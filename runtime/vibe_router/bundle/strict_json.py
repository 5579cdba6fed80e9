"""JSON from a stranger into dataclasses: an unknown key, a missing key or a wrong type is refused."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from vibe_router.errors import BundleCorruptError

AGAIN = "download or export the bundle again"

T = TypeVar("T")


def load_strictly(text: str | bytes) -> Any:
    """Return the value of JSON text.

    Raises:
        ValueError: not JSON, a key twice in one object, or a number that JSON does not have.
        RecursionError: nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)


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
        BundleCorruptError: a missing or unknown key, another type, or a number that is not finite.
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
        return tuple(read_record(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _corrupt(f"{where} must be an object")
        return {key: read_record(arguments[1], item, f"{where}[{key!r}]") for key, item in value.items()}
    if expected is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise _corrupt(f"{where} must be of type {expected.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _corrupt(f"{where} must be finite")
    return value


def _read_dataclass(expected: type[T], value: Any, where: str) -> T:
    if not isinstance(value, dict):
        raise _corrupt(f"{where} must be an object")
    known = {field.name: field for field in fields(expected)}  # type: ignore[arg-type]
    for key in value:
        if key not in known:
            raise _corrupt(f"{where} has an unknown key {key!r}")
    for name, field in known.items():
        if name not in value and field.default is MISSING:
            raise _corrupt(f"{where} lacks the key {name!r}")
    types = get_type_hints(expected)
    return expected(**{key: read_record(types[key], item, f"{where}.{key}") for key, item in value.items()})


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _corrupt(message: str) -> BundleCorruptError:
    return BundleCorruptError(message, hint=AGAIN)
