"""A job that follows on another's end."""

from typing import Any

import attrs

from .errors import ConfigurationError


def _name(followup: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigurationError(f"Followup {field.name} is {value!r}; give text that is not empty")


@attrs.frozen
class Followup:
    """What to enqueue when a job has failed for good: ``method`` is called with two arguments,
    the id of that job and its exception as text. The rest is as for ``Job``."""

    method: str = attrs.field(validator=_name)
    queue: str = attrs.field(default="default", validator=_name)
    priority: int = 0
    max_retries: int | None = None
    timeout_seconds: float | None = None
