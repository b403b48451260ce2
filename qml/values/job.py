"""A job is an immutable value: moves and changes return a new one."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from . import jsontext, records, trusted
from .errors import ConfigurationError, InvalidTransition, SerializationError
from .fields import told
from .followup import Followup
from .ids import new_id
from .notes import NO_NOTES, Notes, notes_from_dict
from .retention import Retention
from .states import MOVES, Enqueued, JobState, state_from_dict, state_to_dict
from .times import aware_utc, utc_now

FAILURES_KEPT = 20
"""Failed attempts a job remembers; older ones are forgotten first."""

UNIQUE_WHILE = ("unfinished", "queued")


def _failed_at(moment: object) -> datetime:
    return aware_utc("Failure at", moment)


@attrs.frozen
class Failure:
    """One failed attempt: its number, when (UTC), which worker, the exception, the traceback."""

    attempt: int = attrs.field(validator=attrs.validators.instance_of(int))
    at: datetime = attrs.field(converter=_failed_at)
    worker: str = told()
    exception: str = told()
    traceback: str = told()


def _invalid(field: str, value: object, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"Job {field} is {value!r}; {remedy}")


def _name(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not value:
        raise _invalid(field.name, value, "give text that is not empty")
    if "\0" in value:
        raise _invalid(field.name, value, "a name has no NUL in it")
    jsontext.checked(value, f"Job {field.name}")


def _optional_name(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None:
        _name(job, field, value)


def _whole(low: int, high: int) -> Any:
    def check(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if type(value) is not int or not low <= value <= high:
            raise _invalid(field.name, value, f"give a whole number from {low:,} to {high:,}")

    return check


def _seconds(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise _invalid(field.name, value, "give seconds, more than 0, or None for no limit")


def _scope(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value not in UNIQUE_WHILE:
        raise _invalid(field.name, value, f"give one of {', '.join(UNIQUE_WHILE)}")


def _json(kind: type, **settings: Any) -> Any:
    """A field that holds a private copy of a JSON list or object."""

    def convert(value: Any, field: "attrs.Attribute[Any]") -> Any:
        if kind is list and isinstance(value, tuple):
            value = list(value)
        if type(value) is not kind:
            raise _invalid(field.name, value, f"give a {kind.__name__}")
        return jsontext.checked(value, field.name)

    converter = attrs.Converter(convert, takes_field=True)
    return attrs.field(factory=kind, converter=converter, **settings)


def _moment() -> Any:
    """A field that holds an aware datetime in UTC, now by default."""

    def convert(moment: Any, field: "attrs.Attribute[Any]") -> datetime:
        return aware_utc(f"Job {field.name}", moment)

    converter = attrs.Converter(convert, takes_field=True)
    return attrs.field(factory=utc_now, kw_only=True, converter=converter)


def _kept(default: Any = None, **settings: Any) -> Any:
    """A field that the storage fills in."""
    return attrs.field(default=default, kw_only=True, **settings)


def _given_or_new(job_id: str | None) -> str:
    return new_id() if job_id is None else job_id


def _is_state(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, JobState):
        raise _invalid(field.name, value, "give a state, such as Enqueued()")


def _optional_moment() -> Any:
    """A field that holds an aware datetime in UTC, or None."""

    def convert(moment: Any, field: "attrs.Attribute[Any]") -> datetime | None:
        return None if moment is None else aware_utc(f"Job {field.name}", moment)

    return attrs.field(
        default=None, kw_only=True, converter=attrs.Converter(convert, takes_field=True)
    )


def _instance(kind: type) -> Any:
    def check(job: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if value is not None and not isinstance(value, kind):
            raise _invalid(field.name, value, f"give a {kind.__name__} or None")

    return check


def _followup(job: object, field: "attrs.Attribute[Any]", value: Any) -> None:
    """What is wrong with it has to show now, and not when the job has failed."""
    _instance(Followup)(job, field, value)
    if value is not None:
        Job(**attrs.asdict(value))


_INT32 = 2**31 - 1
_count = _whole(0, 2**63 - 1)
_optional = attrs.validators.optional


@attrs.frozen
class Job:
    """A call to be made later: ``method`` with ``arguments`` and ``kwargs``, all of them JSON.

    Given by the caller: ``queue``; ``priority`` (higher first); ``max_retries`` after the first
    attempt (0 = none, None = the retry policy decides); ``timeout_seconds`` (None = no limit);
    ``job_type``, a free text; ``metadata``, a JSON object; ``unique_key``, held ``unique_while``
    the job is "unfinished" or only "queued"; ``expires_at``: no attempt starts from then on, the
    job ends Deleted; ``retention``, how long it is kept once finished (None = as the storage
    keeps them); ``on_failure``, what is enqueued when it has failed for good; ``schedule`` and
    ``slot``, whose recurring job it is and of which time; ``id`` (a UUIDv7 unless given).

    Kept by the storage: ``created_at``; ``state``; ``version``, raised by every change of the
    record, leases, locks and notes excepted; ``attempt``, claims charged so far; ``fence``, raised
    by every claim and never reused; ``lease_expires_at`` of claim or lock; ``failures``, the last
    20 failed attempts; ``notes``, what its runs said of themselves; ``max_attempts``, what
    ``max_retries`` and the policy came to when it was enqueued; ``seq``, its place in the order of
    enqueueing; ``damage``, why a stored record could not be read in full (arguments are empty
    then), None normally. All times are aware UTC.

    A ConfigurationError names a wrong setting, a SerializationError the path of a value that JSON
    cannot keep. Two jobs are equal when all but ``max_attempts`` and ``seq`` are.
    """

    method: str = attrs.field(validator=_name)
    arguments: list[Any] = _json(list)
    kwargs: dict[str, Any] = _json(dict)
    queue: str = attrs.field(default="default", kw_only=True, validator=_name)
    priority: int = attrs.field(default=0, kw_only=True, validator=_whole(-_INT32, _INT32))
    max_retries: int | None = attrs.field(
        default=None, kw_only=True, validator=_optional(_whole(0, 1_000_000))
    )
    timeout_seconds: float | None = attrs.field(
        default=None, kw_only=True, validator=_optional(_seconds)
    )
    job_type: str | None = attrs.field(default=None, kw_only=True, validator=_optional_name)
    metadata: dict[str, Any] = _json(dict, kw_only=True)
    unique_key: str | None = attrs.field(default=None, kw_only=True, validator=_optional_name)
    unique_while: str = attrs.field(default="unfinished", kw_only=True, validator=_scope)
    expires_at: datetime | None = _optional_moment()
    retention: Retention | None = attrs.field(
        default=None, kw_only=True, validator=_instance(Retention)
    )
    on_failure: Followup | None = attrs.field(default=None, kw_only=True, validator=_followup)
    schedule: str | None = attrs.field(default=None, kw_only=True, validator=_optional_name)
    slot: datetime | None = _optional_moment()
    id: str = attrs.field(default=None, kw_only=True, converter=_given_or_new, validator=_name)
    created_at: datetime = _moment()
    state: JobState = attrs.field(kw_only=True, validator=_is_state)
    version: int = _kept(0, validator=_count)
    attempt: int = _kept(0, validator=_count)
    fence: int = _kept(0, validator=_count)
    lease_expires_at: datetime | None = _kept()
    failures: tuple[Failure, ...] = _kept(())
    notes: Notes = _kept(NO_NOTES)
    max_attempts: int | None = _kept(eq=False)
    seq: int | None = _kept(eq=False)
    damage: str | None = _kept()

    @state.default
    def _enqueued(self) -> JobState:
        parts = {"enqueued_at": self.created_at, "queue": self.queue}
        return trusted.make(Enqueued, parts)  # checked with the job itself

    def with_state(self, state: JobState) -> "Job":
        """This job in ``state``; InvalidTransition when the table of moves has no such move."""
        if not isinstance(state, JobState):
            raise _invalid("state", state, "give a state, such as Enqueued()")
        if state.kind not in MOVES[self.state.kind]:
            allowed = ", ".join(sorted(MOVES[self.state.kind])) or "nothing: it is final"
            raise InvalidTransition(
                f"job {self.id} ({self.method}) is {self.state.kind} and cannot become "
                f"{state.kind}; from here it can become {allowed}",
                job_id=self.id,
            )
        return attrs.evolve(self, state=state)

    def with_metadata(self, **items: Any) -> "Job":
        """This job with ``items`` added to its metadata; None stays as a value."""
        return attrs.evolve(self, metadata={**self.metadata, **items})

    def to_json(self) -> str:
        """The whole record as one JSON text."""
        return jsontext.dumps(records.to_dict(self) | {"state": state_to_dict(self.state)})

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """The job that ``to_json`` wrote; SerializationError when the text is something else."""
        data = jsontext.loads(text)
        try:
            data["state"]  # required: one without would begin anew
            return cls(**records.revived(data, _READERS))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SerializationError(f"not the JSON of a job: {error}") from error


def _failures(found: Any) -> tuple[Failure, ...]:
    return tuple(Failure(**records.revived(failure, {"at": records.moment})) for failure in found)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "state": state_from_dict,
    "failures": _failures,
    "created_at": records.moment,
    "lease_expires_at": records.moment,
    "expires_at": records.moment,
    "slot": records.moment,
    "retention": lambda found: Retention(**found),
    "on_failure": lambda found: Followup(**found),
    "notes": notes_from_dict,
}
