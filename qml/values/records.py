"""A value as a JSON object and back: times as ISO 8601 text, values within it as objects."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs


def to_dict(value: Any) -> Any:
    """An attrs value as JSON data, whatever it is made of."""
    if isinstance(value, datetime):
        return value.isoformat()
    if attrs.has(type(value)):
        return {
            field.name: to_dict(getattr(value, field.name)) for field in attrs.fields(type(value))
        }
    if isinstance(value, tuple):
        return [to_dict(item) for item in value]
    return value


def revived(data: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The fields of ``data``, those that have a reader and are not None read by it."""
    return {
        name: readers[name](value) if name in readers and value is not None else value
        for name, value in data.items()
    }


def moment(text: Any) -> datetime:
    """The time that ``to_dict`` wrote."""
    return datetime.fromisoformat(text)
