"""Canonical JSON after RFC 8785 (JCS), in the part of it that a log needs.

One value has one sequence of bytes. Numbers are whole and within ±(2^53-1), so the one hard part of
the RFC, printing floats, does not arise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from broadcaster.ledger.errors import CanonicalError

MAX_DEPTH = 64
MAX_INTEGER = 2**53 - 1
_INTEGER_DIGITS = 17  # a sign and the sixteen digits of MAX_INTEGER
# A string may lack its end here, so that even hostile bytes are read only once.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)

# The standard encoder escapes exactly what RFC 8785 section 3.2.2.2 asks for; only the order of
# keys is ours to arrange.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
)


def encode(value: object) -> bytes:
    """Give the canonical bytes of a JSON value.

    Args:
        value: None, bool, int, str, or lists and mappings with string keys of such values.

    Raises:
        CanonicalError: the value holds a float, a number out of range, a lone surrogate, a key
            that is no string, or anything JSON has no word for; or it is nested too deeply.
    """
    return _to_utf8(_ENCODER.encode(_arranged(value, 0)))


def parse(data: bytes) -> Any:  # noqa: ANN401 - JSON has any shape; the caller checks it
    """Read canonical JSON, and refuse every other spelling of the same value.

    Raises:
        CanonicalError: the bytes are not UTF-8 or not JSON, name a key twice, are nested too
            deeply, or are not the canonical form of what they say.
    """
    _check_depth(data)
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start}"
        raise CanonicalError(message) from error
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg} at character {error.pos}"
        raise CanonicalError(message) from error
    # Keys are known to be in order here, and numbers to be in range.
    if _to_utf8(_ENCODER.encode(value)) != data:
        message = "JSON, but not in its canonical form (RFC 8785)"
        raise CanonicalError(message)
    return value


def _to_utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        message = "a string holds a lone surrogate, which is no character"
        raise CanonicalError(message) from error


def _utf16_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _arranged(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return _checked_integer(value)
    if depth >= MAX_DEPTH:
        message = f"nested more than {MAX_DEPTH} deep"
        raise CanonicalError(message)
    if isinstance(value, list):
        return [_arranged(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return _arranged_object(value, depth + 1)
    message = f"a {type(value).__name__} has no place in canonical JSON"
    raise CanonicalError(message)


def _arranged_object(value: Mapping[object, object], depth: int) -> dict[str, object]:
    keys = [key for key in value if isinstance(key, str)]
    if len(keys) != len(value):
        message = "a key that is no string has no place in canonical JSON"
        raise CanonicalError(message)
    return {key: _arranged(value[key], depth) for key in sorted(keys, key=_utf16_units)}


def _checked_integer(value: int) -> int:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        message = "a number outside ±(2^53-1) does not survive JSON"
        raise CanonicalError(message)
    return value


def _check_depth(data: bytes) -> None:
    # Nearly every leaf has few brackets; only where there are many is it worth looking closer.
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.findall(data):
        depth += token in {b"[", b"{"}
        depth -= token in {b"]", b"}"}
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            raise CanonicalError(message)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        message = "a key is named twice"
        raise CanonicalError(message)
    keys = list(value)
    if keys != sorted(keys, key=None if "".join(keys).isascii() else _utf16_units):
        message = "keys are not in canonical order (RFC 8785)"
        raise CanonicalError(message)
    return value


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_DIGITS:
        message = "a number outside ±(2^53-1) does not survive JSON"
        raise CanonicalError(message)
    return _checked_integer(int(digits))


def _refuse_number(_: str) -> NoReturn:
    message = "only whole numbers are allowed"
    raise CanonicalError(message)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
)
