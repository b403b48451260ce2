"""How long finished jobs are kept."""

from typing import Any

import attrs

from .errors import ConfigurationError

DAY = 86_400.0


def _span(retention: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise ConfigurationError(
            f"Retention {field.name} is {value!r}; give a number above 0, and below 1e12"
        )


@attrs.frozen(kw_only=True)
class Retention:
    """Seconds that finished jobs are kept, counted from when they finished: ``succeeded`` and
    ``deleted`` 7 days, ``failed`` 90 days unless given. ConfigurationError for what is not above 0
    and below 1e12."""

    succeeded: float = attrs.field(default=7 * DAY, validator=_span)
    deleted: float = attrs.field(default=7 * DAY, validator=_span)
    failed: float = attrs.field(default=90 * DAY, validator=_span)


def retention_or_none(name: str, value: object) -> Retention | None:
    """``value`` if it is a Retention or None; seconds are kept for every state."""
    if value is None or isinstance(value, Retention):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Retention(succeeded=value, deleted=value, failed=value)
    raise ConfigurationError(f"{name} is {value!r}; give a Retention, seconds, or None")
