"""A job that follows on another's end."""

from typing import Any

import attrs

from . import jsontext
from .errors import ConfigurationError
from .rate import Rate
from .retention import Retention, retention_or_none


def _name(followup: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigurationError(f"Followup {field.name} is {value!r}; give text that is not empty")


def _json(value: Any) -> Any:
    return jsontext.checked(value, "Followup arguments")


def _metadata(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ConfigurationError(f"Followup metadata is {value!r}; give a dict")
    return jsontext.checked(value, "Followup metadata")


def _retention(value: object) -> Retention | None:
    return retention_or_none("Followup retention", value)


def _next(followup: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and not isinstance(value, Followup):
        raise ConfigurationError(f"Followup {field.name} is {value!r}; give a Followup or None")


@attrs.frozen
class Followup:
    """What to enqueue when a job has ended: ``method`` and how it is run, ``queue``, ``priority``,
    ``max_retries``, ``timeout_seconds``, ``concurrency_key`` and ``concurrency_limit``, ``rate``
    and ``rate_key``, ``metadata``, ``retention``, and what is to follow if it fails,
    ``on_failure``, as for ``Job``. It holds no unique key.

    As the ``on_failure`` of a job it is called with two arguments, the id of that job and its
    exception as text. As its ``on_success`` with ``arguments`` and ``kwargs``, and with the result
    as ``result`` besides if it ``takes_result``; ``on_success`` is what follows on it in turn.
    """

    method: str = attrs.field(validator=_name)
    queue: str = attrs.field(default="default", validator=_name)
    priority: int = 0
    max_retries: int | None = None
    timeout_seconds: float | None = None
    arguments: list[Any] = attrs.field(factory=list, converter=_json)
    kwargs: dict[str, Any] = attrs.field(factory=dict, converter=_json)
    takes_result: bool = False
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    rate: Rate | None = None
    rate_key: str | None = None
    metadata: dict[str, Any] = attrs.field(factory=dict, converter=_metadata)
    on_success: "Followup | None" = attrs.field(default=None, validator=_next)
    on_failure: "Followup | None" = attrs.field(default=None, validator=_next)
    retention: Retention | None = attrs.field(default=None, converter=_retention)

    def job_fields(self) -> dict[str, Any]:
        """What the job that follows is made with: the fields of a ``Job``."""
        fields = attrs.asdict(self, recurse=False)
        del fields["takes_result"]
        return fields


_PLAIN = Followup("plain")
_NESTED = ("on_success", "on_failure")


def followup_to_dict(after: Followup) -> dict[str, Any]:
    """Its method, and what is set besides, as JSON data."""
    parts = attrs.asdict(after, recurse=False)
    found = {name: part for name, part in parts.items() if part != getattr(_PLAIN, name)}
    for name in found.keys() & _NESTED:
        found[name] = followup_to_dict(found[name])
    for name in found.keys() & ("rate", "retention"):
        found[name] = attrs.asdict(found[name])
    return found


def followup_from_dict(found: dict[str, Any]) -> Followup:
    """The one that ``followup_to_dict`` took apart."""
    parts = dict(found)
    for name in _NESTED:
        if parts.get(name) is not None:
            parts[name] = followup_from_dict(parts[name])
    if parts.get("rate") is not None:
        parts["rate"] = Rate(**parts["rate"])
    if parts.get("retention") is not None:
        parts["retention"] = Retention(**parts["retention"])
    return Followup(**parts)
