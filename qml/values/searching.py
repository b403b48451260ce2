"""Whether JSON values contain a text, as a person reads them: not in the escapes of JSON."""

from typing import Any

from . import jsontext


def contains(values: Any, text: str) -> bool:
    """Whether a text, a number, a name of an object, or true, false, null somewhere in ``values``
    has ``text`` in it; large and small letters are the same. A match lies within one of them."""
    return _contains([values], text.casefold())


def _contains(waiting: list[Any], wanted: str) -> bool:
    while waiting:  # no recursion: values may be nested deeply
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif wanted in _readable(value).casefold():
            return True
    return False


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.dumps(value)
