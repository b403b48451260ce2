"""Values made of parts that were checked before: no second check, a fifth of the time.

For what comes out of a store, and for changes that a rule makes (a Job: 9 µs checked, 2 µs so).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

import attrs

T = TypeVar("T")

_set = object.__setattr__  # frozen classes refuse their own


def make(cls: type[T], parts: Mapping[str, Any]) -> T:
    """An instance of an attrs class with exactly these fields, none left out."""
    value = object.__new__(cls)
    for name, part in parts.items():
        _set(value, name, part)
    return value


def changed(value: T, **changes: Any) -> T:
    """A copy with some fields changed."""
    copy = object.__new__(type(value))
    for name in _names(cast(Any, type(value))):
        _set(copy, name, getattr(value, name))
    for name, part in changes.items():
        _set(copy, name, part)  # AttributeError for a field that there is not
    return copy


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls))
