"""A job is an immutable value: moves and changes return a new one."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from . import jobfields, jsontext, records, trusted
from .errors import ConfigurationError, InvalidTransition, SerializationError
from .fields import told
from .followup import Followup, followup_from_dict
from .notes import NO_NOTES, Notes, notes_from_dict
from .rate import Rate
from .retention import Retention
from .states import MOVES, Enqueued, JobState, Scheduled, state_from_dict, state_to_dict
from .times import aware_utc

FAILURES_KEPT = 20
"""Failed attempts a job remembers; older ones are forgotten first."""


def _failed_at(moment: object) -> datetime:
    return aware_utc("Failure at", moment)


@attrs.frozen
class Failure:
    """One failed attempt: its number, ``attempt``; ``at`` what time (aware UTC); the id of its
    ``worker``; ``exception`` and ``traceback``, as text."""

    attempt: int = attrs.field(validator=attrs.validators.instance_of(int))
    at: datetime = attrs.field(converter=_failed_at)
    worker: str = told()
    exception: str = told()
    traceback: str = told()


def _followup(job: object, field: "attrs.Attribute[Any]", value: Any) -> None:
    """What is wrong with it has to show now, and not when the job has failed."""
    if value is not None:
        jobfields.instance(Followup)(job, field, value)
        Job(**value.job_fields())
        jobfields.check_names(value)


_INT32 = 2**31 - 1
_count = jobfields.whole(0, 2**63 - 1)
_optional = attrs.validators.optional


@attrs.frozen(slots=False)
class Job:
    """A call to be made later: ``method`` with ``arguments`` and ``kwargs``, all of them JSON.

    Given by the caller: ``queue``; ``priority`` (higher first); ``max_retries`` after the first
    attempt (0 = none, None = the retry policy decides); ``timeout_seconds`` (None = no limit);
    ``job_type``, a free text; ``metadata``, a JSON object; ``unique_key``, held ``unique_while``
    the job is "unfinished" or only "queued"; ``expires_at``: no attempt starts from then on, the
    job ends Deleted; ``retention``, how long it is kept once finished (None = as the storage
    keeps them); ``on_failure`` and ``on_success``, what is enqueued when it has failed for good, or
    succeeded; ``schedule`` and ``slot``, whose recurring job it is and of which time;
    ``concurrency_key`` and ``concurrency_limit``: of the jobs with this key, claims of so many may
    be live when it starts, itself included; ``rate`` and ``rate_key``: how often jobs with that key
    may start; ``batch`` and ``place``: the group it is part of and its number there; ``after``: ids
    of jobs that have to end before it starts, and ``after_batch``, a batch that has to: all of them
    well, or it ends Deleted, if it ``needs_success``; ``id`` (a UUIDv7 unless given).

    Kept by the storage: ``created_at``; ``state``; ``version``, raised by every change of the
    record, leases, locks and notes excepted; ``attempt``, claims charged so far; ``fence``, raised
    by every claim and never reused; ``lease_expires_at`` of claim or lock; ``failures``, the last
    20 failed attempts; ``notes``, what its runs said of themselves; ``max_attempts``, what
    ``max_retries`` and the policy came to when it was enqueued; ``seq``, its place in the order of
    enqueueing; ``damage``, why a stored record could not be read in full (arguments are empty
    then), None normally. All times are aware UTC.

    A ConfigurationError names a wrong setting, a SerializationError the path of a value that JSON
    cannot keep. Two jobs are equal when all but ``max_attempts`` and ``seq`` are, and may be
    in sets.
    """

    method: str = attrs.field(converter=jsontext.plain, validator=jobfields.name)
    arguments: list[Any] = jobfields.json(list)
    kwargs: dict[str, Any] = jobfields.json(dict)
    queue: str = attrs.field(
        default="default", kw_only=True, converter=jsontext.plain, validator=jobfields.name
    )
    priority: int = attrs.field(default=0, kw_only=True, validator=jobfields.whole(-_INT32, _INT32))
    max_retries: int | None = attrs.field(
        default=None, kw_only=True, validator=_optional(jobfields.whole(0, 1_000_000))
    )
    timeout_seconds: float | None = attrs.field(
        default=None, kw_only=True, validator=_optional(jobfields.seconds)
    )
    job_type: str | None = jobfields.text()
    metadata: dict[str, Any] = jobfields.json(dict, kw_only=True)
    unique_key: str | None = jobfields.text()
    unique_while: str = attrs.field(
        default="unfinished", kw_only=True, converter=jsontext.plain, validator=jobfields.scope
    )
    expires_at: datetime | None = jobfields.optional_moment()
    retention: Retention | None = attrs.field(
        default=None, kw_only=True, validator=jobfields.instance(Retention)
    )
    on_failure: Followup | None = attrs.field(default=None, kw_only=True, validator=_followup)
    schedule: str | None = jobfields.text()
    slot: datetime | None = jobfields.optional_moment()
    on_success: Followup | None = attrs.field(default=None, kw_only=True, validator=_followup)
    concurrency_key: str | None = jobfields.text()
    concurrency_limit: int | None = attrs.field(
        default=None, kw_only=True, validator=_optional(jobfields.whole(1, 1_000_000_000))
    )
    rate: Rate | None = attrs.field(default=None, kw_only=True, converter=jobfields.rate)
    rate_key: str | None = jobfields.text()
    batch: str | None = jobfields.text()
    place: int | None = attrs.field(
        default=None, kw_only=True, validator=_optional(jobfields.whole(0, 2**53))
    )
    after: tuple[str, ...] = attrs.field(default=(), kw_only=True, converter=jobfields.ids)
    after_batch: str | None = jobfields.text()
    needs_success: bool = attrs.field(default=True, kw_only=True, validator=jobfields.flag)
    id: str = attrs.field(
        default=None, kw_only=True, converter=jobfields.given_or_new, validator=jobfields.name
    )
    created_at: datetime = jobfields.moment()
    state: JobState = attrs.field(kw_only=True, validator=jobfields.is_state)
    version: int = jobfields.kept(0, validator=_count)
    attempt: int = jobfields.kept(0, validator=_count)
    fence: int = jobfields.kept(0, validator=_count)
    lease_expires_at: datetime | None = jobfields.kept()
    failures: tuple[Failure, ...] = jobfields.kept(())
    notes: Notes = jobfields.kept(NO_NOTES)
    max_attempts: int | None = jobfields.kept(eq=False)
    seq: int | None = jobfields.kept(eq=False)
    damage: str | None = jobfields.kept()

    def __attrs_post_init__(self) -> None:
        key, limit = self.concurrency_key, self.concurrency_limit
        if (key is None) != (limit is None):
            raise ConfigurationError(
                f"Job concurrency_key is {key!r} and concurrency_limit {limit!r}; give both"
            )
        if (self.rate_key is None) != (self.rate is None):
            raise ConfigurationError(
                f"Job rate_key is {self.rate_key!r} and rate {self.rate!r}; give both"
            )
        if self.batch is not None and self.batch == self.after_batch:
            raise ConfigurationError(f"Job is of batch {self.batch!r} and comes after it")
        if self.after and self.after_batch is not None:
            raise ConfigurationError("Job after and after_batch are both given; give one of them")

    def __hash__(self) -> int:
        return hash(self.id)  # lists within have none, and equal jobs have equal ids

    @property
    def waits(self) -> bool:
        """Whether it was to start after others, jobs or a batch."""
        return bool(self.after) or self.after_batch is not None

    @state.default
    def _enqueued(self) -> JobState:
        return self.first_state(self.created_at)

    def first_state(self, created_at: datetime) -> JobState:
        """The state it begins in, if it is made then and no other is given."""
        if self.after or self.after_batch is not None:
            return Scheduled(created_at, created_at, self._waits_for())
        parts = {"enqueued_at": created_at, "queue": self.queue}
        return trusted.make(Enqueued, parts)  # checked with the job itself

    def _waits_for(self) -> str:
        if self.after_batch is not None:
            return f"after batch {self.after_batch}"
        return (
            f"after job {self.after[0]}"
            if len(self.after) == 1
            else f"after {len(self.after)} jobs"
        )

    def with_state(self, state: JobState) -> "Job":
        """This job in ``state``; InvalidTransition when the table of moves has no such move."""
        if not isinstance(state, JobState):
            raise jobfields.invalid("state", state, "give a state, such as Enqueued()")
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
        if not isinstance(data, dict):
            raise SerializationError("not the JSON of a job: no object with its fields")
        try:
            for name in _REQUIRED:
                if data[name] is None:
                    raise ValueError(f"its {name} is null")
            if None in (data.get("failures", ()), data.get("notes", ())):
                raise ValueError("its failures, or notes, are null")
            return cls(**records.revived(data, _READERS))
        except KeyError as error:
            raise SerializationError(f"not the JSON of a job: it has no {error}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise SerializationError(f"not the JSON of a job: {error}") from error


def _failures(found: Any) -> tuple[Failure, ...]:
    return tuple(Failure(**records.revived(failure, {"at": records.moment})) for failure in found)


def _lease(found: Any) -> datetime:
    return aware_utc("lease_expires_at", records.moment(found))


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(found: Any) -> Any:
        if type(found) is not kind:
            raise ValueError(f"{found!r} is no {kind.__name__}")
        return found

    return read


_REQUIRED = ("state", "id", "created_at")
"""Without one of them it would be another job, or begin anew."""

_READERS: Mapping[str, Callable[[Any], Any]] = {
    "state": state_from_dict,
    "failures": _failures,
    "created_at": records.moment,
    "lease_expires_at": _lease,
    "max_attempts": _exactly(int),
    "seq": _exactly(int),
    "damage": _exactly(str),
    "expires_at": records.moment,
    "slot": records.moment,
    "retention": lambda found: Retention(**found),
    "on_failure": followup_from_dict,
    "on_success": followup_from_dict,
    "rate": lambda found: Rate(**found),
    "notes": notes_from_dict,
}
