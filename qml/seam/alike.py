"""Rows of jobs that are alike: what a job has in common with the one before is written once."""

from datetime import datetime
from operator import is_, itemgetter
from typing import NamedTuple

import attrs

from ..values import jsontext
from ..values.job import Job
from ..values.states import Enqueued, JobState
from ..values.times import to_micros
from . import codec, settings
from .rows import Row

_OWN = (
    *("id", "arguments", "kwargs", "metadata", "unique_key", "max_attempts", "seq"),
    *("created_at", "state"),
)
_SHARED = tuple(field.name for field in attrs.fields(Job) if field.name not in _OWN)
_shared = itemgetter(*_SHARED)

_ID, _CREATED, _KEY, _DETAIL, _METADATA, _PAYLOAD, _NOTES = map(
    Row._fields.index,
    ("id", "created_at", "unique_key", "detail", "metadata", "payload", "notes"),
)


def in_common(row: Row) -> tuple[object, ...]:
    """What new rows of one call mostly share: all but their ids and payloads."""
    return (*row[_ID + 1 : _PAYLOAD], row.notes)


class Moment(NamedTuple):
    """What the rows of jobs share that were made at one moment: their columns from the version to
    the creation, and from the key's scope to the failures."""

    state: JobState
    created_at: datetime
    before: tuple[object, ...]
    between: tuple[object, ...]


class Pattern:
    """The row of a new job, from which those of others like it are made. Alike are jobs whose
    fields are the same objects, but for those in ``_OWN``: equal ones may be written otherwise, as
    1 and 1.0, and jobs of one task share what they have in common. They were made at one moment,
    and stand as one object says; where the pattern ``lasts``, at any moment, each ready since then.
    Shared by threads."""

    __slots__ = ("_has_key", "_moment", "_notes", "_ready", "_set_once", "_values")

    def __init__(self, job: Job, row: Row) -> None:
        self._values = _shared(job.__dict__)
        self._has_key = job.unique_key is not None
        before, between = row[_ID + 1 : _KEY], row[_KEY + 1 : _METADATA]
        self._moment = Moment(job.state, job.created_at, before, between)
        self._notes = row[_NOTES]
        self._set_once = settings.encode(job)
        since = str(row.created_at)
        self._ready = row.detail.split(since, 1) if _is_new(job) else None

    @property
    def lasts(self) -> bool:
        """Whether it is one for jobs of other calls, too."""
        return self._ready is not None

    def row(self, job: Job, max_bytes: int) -> Row | None:
        """The row of another job; None when it is not like this one. SerializationError when it is
        larger than allowed."""
        key = job.unique_key
        if (key is not None) is not self._has_key or job.after:  # whom it waits for goes by its id
            return None
        if not all(map(is_, _shared(job.__dict__), self._values)):
            return None
        moment = self._moment
        if job.state is not moment.state or job.created_at is not moment.created_at:
            if self._ready is None or not _is_new(job):
                return None
            moment = self._moment = self._at(job, *self._ready)
        metadata = jsontext.dumps(job.metadata) if job.metadata else "{}"
        payload = codec.encode_payload(job, max_bytes, self._set_once)
        texts = (metadata, payload, self._notes)
        return Row._make((None, job.id, *moment.before, key, *moment.between, *texts))

    def _at(self, job: Job, head: str, tail: str) -> Moment:
        """Another moment: that of ``job``."""
        _, _, before, between = self._moment
        created = to_micros(job.created_at)
        before = (*before[:_AT], created, *before[_AT + 1 :])
        between = (*between[:_SINCE], f"{head}{created}{tail}", *between[_SINCE + 1 :])
        return Moment(job.state, job.created_at, before, between)


_AT, _SINCE = _CREATED - (_ID + 1), _DETAIL - (_KEY + 1)


def _is_new(job: Job) -> bool:
    """Whether a job is ready, in its queue, since it was made."""
    state = job.state
    return (
        type(state) is Enqueued and state.enqueued_at is job.created_at and state.queue is job.queue
    )
