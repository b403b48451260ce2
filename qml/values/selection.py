"""Which jobs: a filter for pages and bulk operations."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from . import jsontext, searching
from .errors import ConfigurationError
from .job import Job
from .states import StateKind, kinds
from .times import FIRST, from_micros, span_micros


def _text(where: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigurationError(f"JobFilter {field.name} is {value!r}; give text, or None for all")
    jsontext.checked(value, f"JobFilter {field.name}")


def _name(where: object, field: "attrs.Attribute[Any]", value: object) -> None:
    _text(where, field, value)
    if isinstance(value, str) and "\0" in value:
        raise ConfigurationError(f"JobFilter {field.name} is {value!r}; no name has a NUL in it")


def _age(name: str) -> Any:
    def convert(value: Any) -> float | None:
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
            raise ConfigurationError(
                f"JobFilter {name} is {value!r}; give seconds, 0 or more, a timedelta or None"
            )
        return float(value)

    return attrs.field(default=None, converter=convert)


def _ids(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    ids = (None,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if not all(isinstance(one, str) and "\0" not in one for one in ids):
        raise ConfigurationError(f"JobFilter ids is {value!r}; give ids of jobs, or None for all")
    texts = jsontext.checked([*map(jsontext.plain, ids)], "JobFilter ids")
    return tuple(dict.fromkeys(texts))


def _items(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"JobFilter metadata is {value!r}; give a dict")
    return dict(jsontext.checked(dict(value), "JobFilter metadata"))


@attrs.frozen(kw_only=True)
class JobFilter:
    """Jobs by ``states`` (a kind, its text, or several), ``queue``, ``method``, ``batch``;
    ``ids``: one of these, which are looked up and not searched for;
    ``older_than``: enqueued so many seconds ago or more; ``newer_than``: less long ago;
    ``metadata``: each of these items is equal in theirs; ``text``: an argument, by position or by
    name, contains it, large or small letters, wherever it lies within.
    What is not given leaves all."""

    states: tuple[StateKind, ...] | None = attrs.field(default=None, converter=kinds)
    queue: str | None = attrs.field(default=None, converter=jsontext.plain, validator=_name)
    method: str | None = attrs.field(default=None, converter=jsontext.plain, validator=_name)
    batch: str | None = attrs.field(default=None, converter=jsontext.plain, validator=_name)
    ids: tuple[str, ...] | None = attrs.field(default=None, converter=_ids)
    older_than: float | None = _age("older_than")
    newer_than: float | None = _age("newer_than")
    metadata: dict[str, Any] = attrs.field(factory=dict, converter=_items)
    text: str | None = attrs.field(default=None, converter=jsontext.plain, validator=_text)

    @property
    def looks_within(self) -> bool:
        """Whether it asks for more than states, queue, method and batch."""
        asked = (self.ids, self.older_than, self.newer_than, self.text)
        return asked != (None,) * 4 or bool(self.metadata)

    def passes(self, job: Job, now: int) -> bool:
        """Whether a job is meant at ``now`` (microseconds)."""
        return (
            (self.states is None or job.state.kind in self.states)
            and (self.queue is None or job.queue == self.queue)
            and (self.batch is None or job.batch == self.batch)
            and (self.ids is None or job.id in self.ids)
            and (self.method is None or job.method == self.method)
            and self._is_of_age(job, now)
            and all(
                name in job.metadata and _same(job.metadata[name], value)
                for name, value in self.metadata.items()
            )
            and (self.text is None or searching.contains([job.arguments, job.kwargs], self.text))
        )

    def _is_of_age(self, job: Job, now: int) -> bool:
        old, new = self.older_than, self.newer_than
        return (old is None or job.created_at <= _before(now, old)) and (
            new is None or job.created_at > _before(now, new)
        )


def _before(now: int, seconds: float) -> datetime:
    return from_micros(max(FIRST, now - span_micros(seconds)))


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true differ, the order of keys does not."""
    return jsontext.in_order(one) == jsontext.in_order(other)
