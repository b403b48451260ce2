"""JSON that comes back as it went in: what is accepted, how it is written, how it is read.

Accepted are exactly None, bool, int, float, str, list and dict with text keys; a tuple is stored
as a list. Subclasses are refused, since they would come back as something else.
"""

import json
from typing import Any

from .errors import SerializationError

MAX_DEPTH = 500
"""Levels of nesting. Python's own JSON reader stops near 1,000, less the caller's stack."""

MAX_BYTES = 1024 * 1024
"""The default limit for the JSON text of one job, in bytes of UTF-8."""

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


class _Refused(Exception):
    """Why a value is refused; the path is gathered while the walk unwinds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []


def checked(value: Any, name: str) -> Any:
    """A private copy of ``value``, tuples as lists; SerializationError names the path at fault."""
    try:
        return _walk(value, 0)
    except _Refused as refused:
        where = name + "".join(reversed(refused.path))
        raise SerializationError(f"{where} {refused.reason}") from None


def _walk(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        _check_text(value)
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        _check_int(value)
        return value
    if kind is float:
        if value - value != 0.0:
            raise _Refused(f"is {value!r}, which JSON does not have; give a number, text or None")
        return value
    if depth >= MAX_DEPTH:
        raise _Refused(f"is nested deeper than {MAX_DEPTH} levels (or contains itself)")
    if kind is list or kind is tuple:
        return [_step(item, depth, f"[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        return {_key(key): _step(item, depth, f"[{key!r}]") for key, item in value.items()}
    raise _Refused(
        f"is {_article(kind.__name__)}, which JSON cannot keep; give None, bool, int, float, str, "
        "list or dict (an id instead of an object, isoformat() of a date, .value of an enum)"
    )


def _step(value: Any, depth: int, step: str) -> Any:
    try:
        return _walk(value, depth + 1)
    except _Refused as refused:
        if len(refused.path) < 20:
            refused.path.append(step)
        raise


def _key(key: Any) -> str:
    if type(key) is not str:
        raise _Refused(f"has the key {key!r}; keys of JSON objects are text: give {str(key)!r}")
    _check_text(key)
    return key


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = text[error.start]
            raise _Refused(
                f"holds the lone surrogate {found!r} at character {error.start}, which is no text; "
                "decode the bytes with errors='replace'"
            ) from None


def _check_int(number: int) -> None:
    if number.bit_length() > 14_000:
        raise _Refused("is an integer of more than 4,200 digits; give it as text")


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def dumps(value: Any) -> str:
    """The text of a value that ``checked`` has passed."""
    return _encode(value)


def loads(text: str) -> Any:
    """The value of a text; a damaged one is a SerializationError."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise SerializationError(f"not readable as JSON: {error}") from error


def readable(text: str, limit: int) -> str:
    """Text of any origin made storable: lone surrogates and NUL shown as escapes, the middle of a
    text longer than ``limit`` characters cut out. For failures, which must always be written down.
    """
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n... {len(text) - 2 * half:,} characters cut ...\n{text[-half:]}"
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
