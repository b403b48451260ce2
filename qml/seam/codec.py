"""Job <-> row: the one place that knows how a job is written down."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any

import attrs

from ..values import jsontext, trusted
from ..values.errors import SerializationError
from ..values.job import Failure, Job
from ..values.notes import NO_NOTES
from ..values.states import (
    FINAL,
    WAITING,
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    Scheduled,
    StateKind,
    Succeeded,
)
from ..values.times import EPOCH, from_micros, shared_moment, to_micros
from . import grouping, notes, settings
from .rows import KEY_FREE, KEY_UNTIL_CLAIMED, KEY_UNTIL_FINAL, NOT_AHEAD, Row
from .standing import decode_state, standing

UNREADABLE = (SerializationError, TypeError, ValueError, OverflowError)
"""What reading a damaged record may raise."""


def encode_failures(failures: tuple[Failure, ...]) -> str:
    """Failed attempts as text."""
    if not failures:
        return "[]"
    return jsontext.dumps(
        [[f.attempt, to_micros(f.at), f.worker, f.exception, f.traceback] for f in failures]
    )


def decode_failures(text: str) -> tuple[Failure, ...]:
    """The failed attempts of a row."""
    if text == "[]":
        return ()
    return tuple(Failure(n, from_micros(at), *rest) for n, at, *rest in jsontext.loads(text))


def key_held(job: Job) -> int:
    """Whether a job reserves its unique key, and how long: "unfinished" until a final state,
    "queued" until the first claim, and never again after it."""
    if job.unique_key is None or job.state.kind in FINAL:
        return KEY_FREE
    if job.unique_while == "unfinished":
        return KEY_UNTIL_FINAL
    return KEY_UNTIL_CLAIMED if job.fence == 0 and job.state.kind in WAITING else KEY_FREE


def encode_texts(
    job: Job, max_bytes: int, set_once: Sequence[Any] | None = None
) -> tuple[str, str]:
    """Its metadata, and its arguments and kwargs, as text; SerializationError when the job is
    larger than allowed. ``set_once`` is given where it is written already."""
    metadata, own = encode_metadata(job), settings.encode(job) if set_once is None else set_once
    parts = [job.arguments, job.kwargs, *own]
    return metadata, payload(job.id, job.method, parts, metadata, max_bytes)


def encode_metadata(job: Job) -> str:
    """Its metadata as text."""
    return jsontext.dumps(job.metadata) if job.metadata else "{}"


def payload(job_id: str, method: str, parts: Sequence[Any], metadata: str, max_bytes: int) -> str:
    """The payload of a job of this id and method, whose ``parts`` these are."""
    text = jsontext.dumps(parts)
    size = len(text) if text.isascii() else len(text.encode())
    if metadata != "{}":
        size += len(metadata.encode())
    if size > max_bytes:
        raise SerializationError(
            f"job {job_id} ({method}): arguments, kwargs and metadata come to {size:,} bytes "
            f"of JSON, more than the {max_bytes:,} allowed; store the data elsewhere and pass its "
            "name, or raise max_job_bytes",
            job_id=job_id,
        )
    return text


# What stands in a row as it does in a job.
_SAME = (
    "seq", "id", "version", "queue", "priority", "method", "attempt", "fence", "max_attempts",
    "unique_key", "unique_while", "max_retries", "timeout_seconds", "job_type",
)  # fmt: skip
_same = attrgetter(*_SAME)
_same_of_row = itemgetter(*map(Row._fields.index, _SAME))

_PLAIN: Mapping[str, Any] = {
    **dict.fromkeys(field.name for field in attrs.fields(Job)),
    **settings.NONE_SET,
    "failures": (),
    "notes": NO_NOTES,
}
"""All fields of a job, as they are while the row says nothing else."""


def encode_job(job: Job, *, max_attempts: int, lease_until: int | None, max_bytes: int) -> Row:
    """The row of a job as it stands."""
    state = job.state
    metadata, payload = encode_texts(job, max_bytes)
    columns = dict(zip(_SAME, _same(job), strict=True))
    columns |= {
        "max_attempts": max_attempts,
        **standing(state, job.retention)._asdict(),
        "ahead": NOT_AHEAD,
        "worker": state.worker_id if isinstance(state, Processing) else None,
        "locked_by": None,
        "lease_until": lease_until,
        "expires_at": None if job.expires_at is None else to_micros(job.expires_at),
        "created_at": to_micros(job.created_at),
        "key_held": key_held(job),
        **grouping.columns(job),
        "failures": encode_failures(job.failures),
        "metadata": metadata,
        "payload": payload,
        "notes": notes.encode(job.notes),
    }
    return Row(**columns)


def decode_job(row: Row, state: JobState | None = None) -> Job:
    """The job of a row; ``state`` if it was decoded before. What cannot be read of a damaged row
    is replaced by something harmless and named in ``damage``, so that one bad record is one bad
    job and never a page that fails."""
    fields = {**_PLAIN}  # of its full size from the start: half the time of one that grows
    fields.update(zip(_SAME, _same_of_row(row), strict=True))
    try:
        fields["arguments"], fields["kwargs"], set_once = _payload(row.payload)
        if set_once is not settings.NONE_SET:
            fields.update(set_once)
        fields["metadata"] = {} if row.metadata == "{}" else _object(row.metadata)
        fields["created_at"] = from_micros(row.created_at)
        fields["state"] = state or decode_state(row.state, row.detail, row.worker)
        if row.lease_until is not None:
            fields["lease_expires_at"] = shared_moment(row.lease_until)
        if row.expires_at is not None:
            fields["expires_at"] = shared_moment(row.expires_at)
        if row.failures != "[]":
            fields["failures"] = decode_failures(row.failures)
        if row.notes:
            fields["notes"] = notes.decode(row.notes)
    except UNREADABLE:
        return _salvage(row)
    return trusted.make(Job, fields)


def _salvage(row: Row) -> Job:
    """The job of a damaged row: each column that cannot be read is replaced, and named."""
    damage: list[str] = []
    state, harmless = None, {}
    if (fault := _fault(lambda: decode_state(row.state, row.detail, row.worker))) is not None:
        damage.append(f"state {fault}")
        state = _stand_in(row)
    for column, (read, instead) in _READERS.items():
        if (fault := _fault(partial(read, getattr(row, column)))) is not None:
            damage.append(f"{column} {fault}")
            harmless[column] = instead
    return trusted.changed(decode_job(row._replace(**harmless), state), damage="; ".join(damage))


def _fault(read: Callable[[], Any]) -> Exception | None:
    try:
        read()
    except UNREADABLE as error:
        return error
    return None


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else shared_moment(micros)


def _payload(text: str) -> tuple[list[Any], dict[str, Any], Mapping[str, Any]]:
    arguments, kwargs, *others = jsontext.loads(text)
    if type(arguments) is not list or type(kwargs) is not dict:
        raise SerializationError("is not a list of arguments and an object of kwargs")
    return arguments, kwargs, settings.decode(*others) if others else settings.NONE_SET


def _object(text: str) -> dict[str, Any]:
    value = jsontext.loads(text)
    if type(value) is not dict:
        raise SerializationError("is not a JSON object")
    return value


# What reads a column of a row, and what stands in for one that cannot be read.
_READERS: Mapping[str, tuple[Callable[[Any], Any], Any]] = {
    "payload": (_payload, "[[],{}]"),
    "metadata": (_object, "{}"),
    "created_at": (from_micros, 0),
    "lease_until": (_moment, 0),
    "expires_at": (_moment, None),
    "notes": (notes.decode, ""),
    "failures": (decode_failures, "[]"),
}


def _stand_in(row: Row) -> JobState:
    """A state of the row's kind with nothing but its kind to go by."""
    when: datetime = EPOCH
    if row.state == StateKind.PROCESSING:
        return Processing(when, row.worker or "unknown", "unknown")
    if row.state == StateKind.SCHEDULED:
        return Scheduled(when, when)
    if row.state == StateKind.AWAITING_RETRY:
        return AwaitingRetry(when, when)
    kinds = {
        StateKind.ENQUEUED: Enqueued,
        StateKind.SUCCEEDED: Succeeded,
        StateKind.DELETED: Deleted,
    }
    return kinds.get(row.state, Failed)(when)  # type: ignore[call-overload,no-any-return]
