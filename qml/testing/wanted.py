"""What a test wants of a job, and how a stored job differs from it."""

import inspect
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from ..values.errors import ConfigurationError, InvalidArguments
from ..values.job import Job
from ..values.rate import rate_or_none
from ..values.retention import retention_or_none
from ..values.states import AwaitingRetry, Scheduled
from ..values.times import aware_utc
from ..work.app import Qml
from ..work.task import Task


class _Anything:
    """Equal to everything: not asked for."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


ANYTHING: Any = _Anything()

FIELDS = (
    "queue", "priority", "max_retries", "timeout_seconds", "job_type", "metadata", "unique_key",
    "unique_while", "concurrency_key", "concurrency_limit", "rate", "rate_key", "retention",
    "batch", "id",
)  # fmt: skip
"""The fields of a job that a test may name, as ``Task.using`` does."""

PLAIN = (str, bytes, bool, int, float, type(None), list, tuple, Mapping, datetime, timedelta)
"""What is a value and no matcher."""

Differences = Iterator[tuple[str, object, object]]
"""Name, what was wanted, what was found."""


def app_given(jobs: Any) -> Qml:
    """``jobs`` itself; ConfigurationError where it is no app, such as its storage."""
    if not isinstance(jobs, Qml):
        raise ConfigurationError(
            f"a {type(jobs).__name__} is no Qml; give the app itself (with pytest: the fixture "
            "qml_jobs), since a storage knows no tasks"
        )
    return jobs


@attrs.frozen
class Wanted:
    """A job as a test wants it. ``method``: None = any; ``signature`` of the task, if known."""

    method: str | None
    signature: inspect.Signature | None
    args: Any
    kwargs: Any
    run_after: Any
    fields: dict[str, Any]

    def differences(self, job: Job, now: datetime) -> Differences:
        """In what ``job`` is not as wanted; nothing when it is."""
        if self.method not in (None, job.method):
            yield "task", self.method, job.method
        for name, wanted, found in self._pairs(job, now):
            if _stored(wanted) != found:  # in this order: a matcher is asked first
                yield name, wanted, found

    def _pairs(self, job: Job, now: datetime) -> Differences:
        yield from self._call(job)
        yield "run_after", *_start(self.run_after, job, now)
        for name, wanted in self.fields.items():
            yield name, wanted, getattr(job, name)

    def _call(self, job: Job) -> Differences:
        """By parameter where the signature is known, so that it does not matter whether a value
        was passed by position, by name or by default."""
        wanted = self.bound()
        found = self._bind(job.arguments, job.kwargs)
        if wanted is None or found is None:
            yield "args", self.args, job.arguments
            yield "kwargs", self.kwargs, job.kwargs
            return
        for name, value in wanted.items():
            yield name, value, _stored(found[name])

    def bound(self) -> dict[str, Any] | None:
        """The wanted call by parameter; None when it is not given, or by a matcher as a whole.
        InvalidArguments when the task could never be called so."""
        args = () if self.args is ANYTHING else self.args
        kwargs = {} if self.kwargs is ANYTHING else self.kwargs
        given = self.args is not ANYTHING or self.kwargs is not ANYTHING
        if not given or not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
            return None
        bound = self._bind(args, kwargs)
        if bound is None and self.signature is not None:
            raise InvalidArguments(
                f"{self.method}{self.signature} cannot be called with {shown_call(args, kwargs)}, "
                "so no job ever has these arguments"
            )
        return bound

    def _bind(self, args: Any, kwargs: Any) -> dict[str, Any] | None:
        if self.signature is None:
            return None
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            return None
        bound.apply_defaults()
        return bound.arguments

    def __str__(self) -> str:
        named = {"args": self.args, "kwargs": self.kwargs, "run_after": self.run_after}
        given = {k: v for k, v in named.items() if v is not ANYTHING} | self.fields
        what = f"job of {self.method}" if self.method else "job"
        return (
            what + (" with " if given else "") + ", ".join(f"{k}={v!r}" for k, v in given.items())
        )


def wanted_of(
    jobs: Qml,
    task: Task[..., Any] | str | None,
    call: tuple[Any, Any, Any],
    fields: dict[str, Any],
) -> Wanted:
    """What a test wants of a job of ``jobs``; ``call``: args, kwargs, run_after."""
    app_given(jobs)
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise ConfigurationError(
            f"a job has no {', '.join(unknown)} to ask for; there are args, kwargs, run_after, "
            f"{', '.join(FIELDS)}"
        )
    if task is not None and not isinstance(task, Task | str):
        raise ConfigurationError(f"{task!r} is no task; give what @jobs.task made, or its name")
    if isinstance(task, Task) and task.app is not jobs:
        raise ConfigurationError(
            f"task {task.name} belongs to another Qml, whose jobs are stored elsewhere; give that "
            "one (with the fixture qml_jobs: say which by qml_app)"
        )
    _check_call(*call)
    if isinstance(fields.get("rate"), str):
        fields = fields | {"rate": rate_or_none("rate", fields["rate"])}
    if isinstance(fields.get("retention"), int | float):
        fields = fields | {"retention": retention_or_none("retention", fields["retention"])}
    method = task.name if isinstance(task, Task) else task
    found = jobs.tasks.get(method or "")
    signature = None if found is None else inspect.signature(found.function)
    wanted = Wanted(method, signature, *call, fields)
    wanted.bound()
    return wanted


def _check_call(args: Any, kwargs: Any, run_after: Any) -> None:
    """Refuse what no job is ever equal to: that one is *not* enqueued would always hold."""
    if isinstance(args, PLAIN) and not isinstance(args, list | tuple):
        raise ConfigurationError(f"args is {args!r}; give a list, such as args=[1, 2]")
    if isinstance(kwargs, PLAIN) and not isinstance(kwargs, Mapping):
        raise ConfigurationError(f"kwargs is {kwargs!r}; give a dict of arguments by name")
    if isinstance(run_after, datetime):
        aware_utc("run_after", run_after)
    elif isinstance(run_after, PLAIN) and not isinstance(run_after, int | float | timedelta | None):
        raise ConfigurationError(
            f"run_after is {run_after!r}; give seconds from now, a timedelta, an aware datetime, "
            "or None for a job that is ready"
        )


def _stored(value: Any) -> Any:
    """A value as JSON keeps it: tuples are lists. Matchers stay as they are."""
    if type(value) in (list, tuple):
        return [_stored(item) for item in value]
    if type(value) is dict:
        return {name: _stored(item) for name, item in value.items()}
    return value


def due(job: Job) -> datetime | None:
    """When a waiting job falls due; None = it is ready."""
    if isinstance(job.state, Scheduled):
        return job.state.enqueue_at
    return job.state.retry_at if isinstance(job.state, AwaitingRetry) else None


def _start(wanted: Any, job: Job, now: datetime) -> tuple[Any, Any]:
    """What was wanted and what was found, in the same unit: a moment, or seconds from now."""
    moment = due(job)
    if wanted is None or isinstance(wanted, datetime):
        return wanted, moment
    seconds = 0.0 if moment is None else max(0.0, (moment - now).total_seconds())
    return wanted.total_seconds() if isinstance(wanted, timedelta) else wanted, seconds


def shown_call(args: Any, kwargs: Mapping[str, Any]) -> str:
    """Arguments as they stand in a call: ``('ada', subject='hi')``."""
    parts = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    return f"({', '.join(parts)})"
