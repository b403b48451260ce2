"""The fields of a job: what each takes, and what is said of anything else."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from . import jsontext
from .errors import ConfigurationError
from .ids import new_id
from .rate import Rate, rate_or_none
from .states import JobState
from .times import aware_utc, utc_now

UNIQUE_WHILE = ("unfinished", "queued")


LONGEST = 2_500
"""Bytes of a name that every store can index. PostgreSQL can some more, and much more where a text
can be compressed."""


def invalid(field: str, value: object, remedy: str) -> ConfigurationError:
    """The error for a field that is wrong."""

    return ConfigurationError(f"Job {field} is {value!r}; {remedy}")


def name(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Checks for a text that can name something."""

    if not isinstance(value, str) or not value:
        raise invalid(field.name, value, "give text that is not empty")
    if "\0" in value:
        raise invalid(field.name, value, "a name has no NUL in it")
    if not value.isascii():
        jsontext.checked(value, f"Job {field.name}")


def optional_name(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Checks for a name or None."""

    if value is not None:
        name(job, field, value)


def whole(low: int, high: int) -> Any:
    """A check for a whole number in these bounds."""

    def check(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if type(value) is not int or not low <= value <= high:
            raise invalid(field.name, value, f"give a whole number from {low:,} to {high:,}")

    return check


def seconds(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Checks for a span of time."""

    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise invalid(field.name, value, "give seconds, more than 0, or None for no limit")


def scope(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Checks for how long a unique key is held."""

    if value not in UNIQUE_WHILE:
        raise invalid(field.name, value, f"give one of {', '.join(UNIQUE_WHILE)}")


def json(kind: type, **settings: Any) -> Any:
    """A field that holds a private copy of a JSON list or object."""

    def convert(value: Any, field: "attrs.Attribute[Any]") -> Any:
        if kind is list and isinstance(value, tuple):
            value = list(value)
        if type(value) is not kind:
            raise invalid(field.name, value, f"give a {kind.__name__}")
        return jsontext.checked(value, field.name)

    converter = attrs.Converter(convert, takes_field=True)
    return attrs.field(factory=kind, converter=converter, **settings)


def moment() -> Any:
    """A field that holds an aware datetime in UTC, now by default."""

    def convert(moment: Any, field: "attrs.Attribute[Any]") -> datetime:
        return aware_utc(f"Job {field.name}", moment)

    converter = attrs.Converter(convert, takes_field=True)
    return attrs.field(factory=utc_now, kw_only=True, converter=converter)


def kept(default: Any = None, **settings: Any) -> Any:
    """A field that the storage fills in."""
    return attrs.field(default=default, kw_only=True, **settings)


def given_or_new(job_id: str | None) -> str:
    """The id, or a new one."""

    return new_id() if job_id is None else jsontext.plain(job_id)


def is_state(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Checks for a state."""

    if not isinstance(value, JobState):
        raise invalid(field.name, value, "give a state, such as Enqueued()")


def flag(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Checks for True or False."""

    if not isinstance(value, bool):
        raise invalid(field.name, value, "give True or False")


def optional_moment() -> Any:
    """A field that holds an aware datetime in UTC, or None."""

    def convert(moment: Any, field: "attrs.Attribute[Any]") -> datetime | None:
        return None if moment is None else aware_utc(f"Job {field.name}", moment)

    return attrs.field(
        default=None, kw_only=True, converter=attrs.Converter(convert, takes_field=True)
    )


def instance(kind: type) -> Any:
    """A check for a value of this class, or None."""

    def check(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if value is not None and not isinstance(value, kind):
            raise invalid(field.name, value, f"give a {kind.__name__} or None")

    return check


def rate(value: object) -> Rate | None:
    """A rate, or the one that a text says."""

    return rate_or_none("Job rate", value)


def ids(value: Any) -> tuple[str, ...]:
    """The ids of jobs, each once."""

    given = (None,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if not all(isinstance(one, str) and one for one in given):
        raise ConfigurationError(f"Job after is {value!r}; give the ids of jobs")
    texts = jsontext.checked([*map(jsontext.plain, given)], "Job after")
    if any("\0" in one for one in texts):
        raise ConfigurationError(f"Job after is {value!r}; no id has a NUL in it")
    return tuple(dict.fromkeys(texts))


def text() -> Any:
    """A field that holds a name, None by default."""
    return attrs.field(
        default=None, kw_only=True, converter=jsontext.plain, validator=optional_name
    )


def check_names(later: Any) -> None:
    """ConfigurationError for a Followup, or a schedule's job, with names that not every store can
    index. It would be too late to find out when another job has ended, or a slot has come: that and
    what is enqueued then are recorded in one step, or neither is."""
    lane = (later.queue, later.concurrency_key, later.rate_key)
    unique, schedule = (getattr(later, name, None) for name in ("unique_key", "schedule"))
    named = {
        "method": (later.method,),
        "queue and keys": lane,
        "unique_key": (unique,),
        "schedule": (schedule,),
    }
    for fields, names in named.items():
        size = sum(len(name.encode()) for name in names if name is not None)
        if size > LONGEST:
            raise ConfigurationError(
                f"{type(later).__name__} {fields}: {size:,} bytes, more than the {LONGEST:,} that "
                "every store can index; give shorter names"
            )
