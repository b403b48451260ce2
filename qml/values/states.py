"""The seven states of a job, and the table of moves between them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import attrs

from . import jsontext
from .errors import ConfigurationError
from .fields import told
from .times import aware_utc, utc_now


class StateKind(StrEnum):
    """A state's name. A text too: ``counts["enqueued"]`` works."""

    ENQUEUED = "enqueued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETED = "deleted"
    SCHEDULED = "scheduled"
    AWAITING_RETRY = "awaiting_retry"


FINAL = frozenset({StateKind.SUCCEEDED, StateKind.FAILED, StateKind.DELETED})
"""States in which a job rests: nothing happens to it by itself any more."""

WAITING = frozenset({StateKind.ENQUEUED, StateKind.SCHEDULED, StateKind.AWAITING_RETRY})
"""States from which a claim may take a job once it is due."""

MOVES: Mapping[StateKind, frozenset[StateKind]] = {
    StateKind.ENQUEUED: frozenset(
        {StateKind.PROCESSING, StateKind.SCHEDULED, StateKind.FAILED, StateKind.DELETED}
    ),
    StateKind.SCHEDULED: frozenset({StateKind.ENQUEUED, StateKind.DELETED}),
    StateKind.PROCESSING: frozenset(
        {
            StateKind.SUCCEEDED,
            StateKind.FAILED,
            StateKind.AWAITING_RETRY,
            StateKind.ENQUEUED,
            StateKind.DELETED,
        }
    ),
    StateKind.AWAITING_RETRY: frozenset({StateKind.ENQUEUED, StateKind.FAILED, StateKind.DELETED}),
    StateKind.FAILED: frozenset({StateKind.ENQUEUED, StateKind.AWAITING_RETRY, StateKind.DELETED}),
    StateKind.SUCCEEDED: frozenset({StateKind.DELETED}),
    StateKind.DELETED: frozenset(),
}
"""What ``Job.with_state`` allows. A claim may besides take a due Scheduled or AwaitingRetry job."""


def _to_utc(moment: Any, _: Any, field: "attrs.Attribute[Any]") -> datetime:
    return aware_utc(field.name, moment)


def _moment(*, required: bool = False) -> Any:
    """An aware datetime, kept in UTC: now by default, or one the caller must give."""
    convert = attrs.Converter(_to_utc, takes_self=True, takes_field=True)
    if required:
        return attrs.field(default=None, converter=convert)
    return attrs.field(factory=utc_now, converter=convert)


def _to_result(value: Any) -> Any:
    return jsontext.checked(value, "result")


def _text(default: str = "") -> Any:
    """A name: text as it is."""
    return attrs.field(default=default, converter=jsontext.plain, validator=_is_text)


def _is_text(state: object, field: "attrs.Attribute[str]", value: object) -> None:
    if not isinstance(value, str):
        raise ConfigurationError(f"{type(state).__name__} {field.name} is {value!r}; give text")
    jsontext.checked(value, f"{type(state).__name__} {field.name}")


def _number(kind: Any) -> Any:
    """A count, or a span of milliseconds: 0 or more."""

    def check(state: object, field: "attrs.Attribute[Any]", value: Any) -> None:
        good = isinstance(value, kind) and not isinstance(value, bool) and 0 <= value < 2**53
        if not good:
            raise ConfigurationError(
                f"{type(state).__name__} {field.name} is {value!r}; give a number, 0 or more"
            )

    return attrs.field(default=0, validator=check)


@attrs.frozen(slots=False)
class JobState:
    """What all seven states are. ``kind`` tells which."""

    kind: ClassVar[StateKind]


@attrs.frozen(slots=False)
class Enqueued(JobState):
    """Ready to be claimed since ``enqueued_at`` (aware UTC), in ``queue``."""

    kind = StateKind.ENQUEUED
    enqueued_at: datetime = _moment()
    queue: str = _text("default")


@attrs.frozen(slots=False)
class Processing(JobState):
    """Held by ``worker_id`` since ``started_at`` (aware UTC), on the server ``server_name``.

    ConfigurationError without a worker.
    """

    kind = StateKind.PROCESSING
    started_at: datetime = _moment()
    worker_id: str = _text()
    server_name: str = _text()

    def __attrs_post_init__(self) -> None:
        if not self.worker_id or "\0" in self.worker_id:
            raise ConfigurationError("Processing needs a worker_id: who holds the job")


@attrs.frozen(slots=False)
class Succeeded(JobState):
    """Done at ``succeeded_at`` (aware UTC). ``total_duration_ms``: milliseconds the run took;
    ``result``: its JSON value; SerializationError when JSON cannot keep it."""

    kind = StateKind.SUCCEEDED
    succeeded_at: datetime = _moment()
    total_duration_ms: float = _number(int | float)
    result: Any = attrs.field(default=None, converter=_to_result)


@attrs.frozen(slots=False)
class Failed(JobState):
    """Given up at ``failed_at`` (aware UTC) after ``retry_count`` retries, with the last
    ``exception`` and its traceback, ``stack_trace``, both text."""

    kind = StateKind.FAILED
    failed_at: datetime = _moment()
    exception: str = told("")
    stack_trace: str = told("")
    retry_count: int = _number(int)


@attrs.frozen(slots=False)
class Deleted(JobState):
    """Cancelled or discarded at ``deleted_at`` (aware UTC), with the ``reason`` if one was given;
    the record is kept until it is purged."""

    kind = StateKind.DELETED
    deleted_at: datetime = _moment()
    reason: str | None = told(None)


@attrs.frozen(slots=False)
class Scheduled(JobState):
    """Waits since ``scheduled_at`` for ``enqueue_at`` (both aware UTC), claimable from that moment
    on. ``reason``: why, or None."""

    kind = StateKind.SCHEDULED
    scheduled_at: datetime = _moment()
    enqueue_at: datetime = _moment(required=True)
    reason: str | None = told(None)


@attrs.frozen(slots=False)
class AwaitingRetry(JobState):
    """Failed ``retry_count`` times, waits since ``scheduled_at`` for ``retry_at`` (both aware UTC),
    claimable from that moment on. ``last_exception``: of the attempt before, as text."""

    kind = StateKind.AWAITING_RETRY
    scheduled_at: datetime = _moment()
    retry_at: datetime = _moment(required=True)
    retry_count: int = _number(int)
    last_exception: str = told("")


def due_since(state: JobState) -> datetime | None:
    """From when a job in this state may be claimed, which may be still to come; None = it may
    not."""
    match state:
        case (
            Enqueued(enqueued_at=since)
            | Scheduled(enqueue_at=since)
            | AwaitingRetry(retry_at=since)
        ):
            return since
    return None


STATES: Mapping[StateKind, type[JobState]] = {
    state.kind: state
    for state in (Enqueued, Processing, Succeeded, Failed, Deleted, Scheduled, AwaitingRetry)
}


def state_to_dict(state: JobState) -> dict[str, Any]:
    """A state as a JSON object: its kind, its times in ISO 8601, its data."""
    fields = attrs.asdict(state, recurse=False)
    return {"kind": state.kind.value} | {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
    }


def state_from_dict(data: Mapping[str, Any]) -> JobState:
    """The state that ``state_to_dict`` wrote."""
    cls = STATES[StateKind(data["kind"])]
    given = {name: value for name, value in data.items() if name != "kind"}
    for field in attrs.fields(cls):
        if field.name.endswith("_at") and isinstance(given.get(field.name), str):
            given[field.name] = datetime.fromisoformat(given[field.name])
    return cls(**given)


def kinds(state_filter: Any) -> tuple[StateKind, ...] | None:
    """The kinds a filter names: None (all), a kind, its text, a state or its class, or several."""
    if state_filter is None:
        return None
    one = isinstance(state_filter, str | JobState | type)
    try:
        found = [
            StateKind(getattr(item, "kind", item))
            for item in ((state_filter,) if one else state_filter)
        ]
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"state filter {state_filter!r}; give one or several of {', '.join(StateKind)}"
        ) from None
    return tuple(dict.fromkeys(found))
