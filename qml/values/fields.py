"""Fields that states and failures share."""

from typing import Any

import attrs

from . import jsontext
from .errors import ConfigurationError


def told(default: Any = attrs.NOTHING) -> Any:
    """What happened, in words: kept readable and shortened, since it must always be storable."""

    def convert(value: Any, owner: Any, field: "attrs.Attribute[Any]") -> str | None:
        if isinstance(value, str):
            return jsontext.readable(jsontext.plain(value))
        if value is None and default is None:
            return None
        raise ConfigurationError(f"{type(owner).__name__} {field.name} is {value!r}; give text")

    converter = attrs.Converter(convert, takes_self=True, takes_field=True)
    return attrs.field(default=default, converter=converter)
