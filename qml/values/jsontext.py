"""JSON that comes back as it went in: what is accepted, how it is written, how it is read.

Accepted are exactly None, bool, int, float, str, list and dict with text keys; a tuple is stored
as a list. Subclasses are refused, since they would come back as something else.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from .errors import SerializationError

MAX_DEPTH = 500
"""Levels of nesting. Python's own JSON stops near 1,000, less the calls under way."""

MAX_BYTES = 1024 * 1024
"""The default limit for the JSON text of one job, in bytes of UTF-8."""

_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)


def _made_once(encoder: json.JSONEncoder) -> Callable[[Any], str]:
    """Its ``encode``, which makes a writer in C anew for each text: 2.5 us in place of 1.0 for 200
    bytes. Where there is none in C, as on PyPy, it is that."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    marks = (encoder.indent, encoder.key_separator, encoder.item_separator)
    rules = (encoder.sort_keys, encoder.skipkeys, encoder.allow_nan)
    try:
        write = make(None, encoder.default, json.encoder.encode_basestring, *marks, *rules)
    except TypeError:  # that of another Python wants something else
        return encoder.encode
    return lambda value: "".join(write(value, 0))


_encode = _made_once(_encoder)

_encode_in_order = json.JSONEncoder(
    allow_nan=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode


class _Refused(Exception):
    """Why a value is refused."""


def checked(value: Any, name: str) -> Any:
    """A private copy of ``value``, tuples as lists; SerializationError names the path at fault."""
    kind = type(value)
    if kind is str:
        if value.isascii():
            return value
    elif kind is list or kind is dict:
        if (flat := _flat(value)) is not None:
            return flat
    elif is_short(value):
        return value
    path: list[int | str] = []
    try:
        return _copy(value, path)
    except _Refused as refused:
        steps = "".join(f"[{step!r}]" for step in path[1:20])
        raise SerializationError(f"{name}{steps} {refused}") from None


def _flat(value: Any) -> Any:
    """The copy of a list of plain scalars, or a dict of them: what arguments mostly are, in a fifth
    of the time. None = look closely."""
    if type(value) is list:
        return [*value] if _all_plain(value) else None
    if not value:
        return {}
    whole = all(map(_is_ascii, value)) and _all_plain(value.values())
    return {**value} if whole else None


def _is_ascii(value: Any) -> bool:
    return type(value) is str and value.isascii()


def _all_plain(values: Iterable[Any]) -> bool:
    """Whether all are scalars that need no further look. One loop without calls of its own."""
    for value in values:
        kind = type(value)
        if kind is str:
            if not value.isascii():
                return False
        elif kind is int:
            if not -_LONG < value < _LONG:
                return False
        elif kind is float:
            if value - value != 0.0:
                return False
        elif kind is not bool and value is not None:
            return False
    return True


def is_short(value: Any) -> bool:
    """Whether it is None, a bool or a number of a few digits, which JSON has and keeps short."""
    kind = type(value)
    return value is None or kind is bool or (kind is int and -_LONG < value < _LONG)


_LONG = 2**63


def _copy(root: Any, path: list[int | str]) -> Any:
    """The copy, made without recursion, which the caller's own calls would leave little room for.
    ``path`` names the item at hand, below a list that holds ``root`` alone."""
    top: list[Any] = [None]
    levels: list[tuple[Any, Any]] = [(iter([(0, root)]), top)]
    while levels:
        items, copy = levels[-1]
        for key, item in items:
            path.append(key)
            inner = _begun(item)
            copy[key if type(copy) is list else _key(key, path)] = inner
            if inner is not item and item:
                if len(levels) > MAX_DEPTH:
                    raise _Refused(f"is nested deeper than {MAX_DEPTH} levels (or contains itself)")
                levels.append(
                    (iter(item.items() if type(item) is dict else enumerate(item)), inner)
                )
                break
            path.pop()
        else:
            levels.pop()
            if path:
                path.pop()
    return top[0]


def _begun(value: Any) -> Any:
    """A scalar as it is; for a list or dict an empty copy to be filled; all else is refused."""
    kind = type(value)
    if kind is str:
        _check_text(value)
    elif kind is int:
        _check_int(value)
    elif kind is float:
        if value - value != 0.0:
            raise _Refused(f"is {value!r}, which JSON does not have; give a number, text or None")
    elif kind is list or kind is tuple:
        return [None] * len(value)
    elif kind is dict:
        return {}
    elif value is not None and kind is not bool:
        raise _Refused(
            f"is {_article(kind.__name__)}, which JSON cannot keep; give None, bool, int, float, "
            "str, list or dict (an id instead of an object, isoformat() of a date, .value of an "
            "enum)"
        )
    return value


def _key(key: Any, path: list[int | str]) -> str:
    if type(key) is not str:
        path.pop()
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


def plain(value: Any) -> Any:
    """Text of a subclass, a member of an enum say, as the plain text that stores give back; all
    else as it is."""
    return str.__str__(value) if type(value) is not str and isinstance(value, str) else value


def dumps(value: Any) -> str:
    """The text of a value that ``checked`` has passed."""
    try:
        return _encode(value)
    except RecursionError as error:
        raise _too_deep("enqueue from fewer calls, or give the value as text") from error


def in_order(value: Any) -> str:
    """The text of a value, the keys of objects sorted at every level."""
    try:
        return _encode_in_order(value)
    except RecursionError as error:
        raise _too_deep("compare from fewer calls") from error


def _too_deep(remedy: str) -> SerializationError:
    return SerializationError(f"nested deeper than the calls under way leave room for; {remedy}")


def loads(text: str) -> Any:
    """The value of a text; a damaged one is a SerializationError."""
    try:
        try:
            value, end = _scan(text, 0)
        except (StopIteration, ValueError):
            end = -1
        return value if end == len(text) else _decoder.decode(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise SerializationError(f"not readable as JSON: {error}") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)

_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]
"""``_decoder.decode``, in half the time, of a text without blanks around it."""


TEXT_KEPT = 20_000
"""Characters kept of an exception's text or traceback; of longer ones the middle is cut out."""


def readable(text: str, limit: int = TEXT_KEPT) -> str:
    """Text of any origin made storable: lone surrogates and NUL shown as escapes, the middle of a
    text longer than ``limit`` characters cut out. For failures, which must always be written down.
    """
    if len(text) > limit:
        half = limit // 2
        cut = f"\n... {len(text) - 2 * half:,} characters cut ...\n"
        text = f"{text[:half]}{cut}{text[len(text) - half :]}"
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
