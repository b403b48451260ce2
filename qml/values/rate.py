"""How often jobs may start."""

import re
from typing import Any

import attrs

from .errors import ConfigurationError

_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_TEXT = re.compile(r"\s*(\d{1,9})\s*/\s*(s|min|h|d)\s*")


LONGEST = 30 * 366 * 86_400 * 1_000_000
"""Microseconds that a whole burst may take to come together again."""


def _whole(rate: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if type(value) is not int or not 1 <= value <= 1_000_000_000:
        raise ConfigurationError(f"Rate {field.name} is {value!r}; give a whole number, 1 or more")


def _span(rate: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-3 <= value <= 1e8:
        raise ConfigurationError(f"Rate {field.name} is {value!r}; give seconds, more than 0")


def _burst(rate: "Rate", field: "attrs.Attribute[Any]", value: int) -> None:
    """A store counts in microseconds since 1970, exact to the year 2255."""
    _whole(rate, field, value)
    if value * rate.gap > LONGEST:
        raise ConfigurationError(
            f"Rate burst is {value!r}, and so many starts at {rate.count} in {rate.seconds:g} s "
            "take longer than 30 years; give a smaller burst"
        )


@attrs.frozen
class Rate:
    """At most ``count`` starts in any ``seconds``, spread evenly; after a quiet time ``burst`` of
    them may start at once, and as many more fall into one such span than ``count`` says. A burst
    that takes longer than 30 years to come together again is refused.

    The rule is the generic cell rate algorithm (ITU-T I.371): one time for each rate is all that is
    kept of it."""

    count: int = attrs.field(validator=_whole)
    seconds: float = attrs.field(default=1.0, validator=_span)
    burst: int = attrs.field(default=1, validator=_burst)

    @property
    def gap(self) -> int:
        """Microseconds from one start to the next, rounded up."""
        return max(1, -int(-self.seconds * 1_000_000 // self.count))

    def __str__(self) -> str:
        units = {float(seconds): unit for unit, seconds in _SECONDS.items()}
        unit = units.get(float(self.seconds))
        text = f"{self.count}/{unit}" if unit else f"{self.count} in {self.seconds:g} s"
        return text if self.burst == 1 else f"{text}, burst {self.burst}"


def rate_or_none(name: str, value: object) -> Rate | None:
    """``value`` if it is a Rate or None; a text such as "20/s", "100/min", "5/h" or "1000/d"."""
    if value is None or isinstance(value, Rate):
        return value
    found = _TEXT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ConfigurationError(
            f'{name} is {value!r}; give a text such as "20/s" or "100/min", or a Rate'
        )
    return Rate(int(found[1]), float(_SECONDS[found[2]]))
