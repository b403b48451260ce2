"""Rows of jobs that are alike: what a job has in common with the one before is written once."""

from datetime import datetime
from operator import is_, itemgetter
from typing import NamedTuple

import attrs

from ..values.alike import Alike
from ..values.job import Job
from ..values.states import Enqueued, JobState
from ..values.times import to_micros
from . import codec, settings
from .rows import Row, as_row

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


Columns = tuple[object, ...]


class Moment(NamedTuple):
    """What the rows of jobs share that were made at one moment: their columns from the version to
    the creation, and from the key's scope to the failures."""

    state: JobState
    created_at: datetime
    before: Columns
    between: Columns


class Lasting(NamedTuple):
    """These columns, of jobs that are ready since they were made, without the moment: up to the
    creation and after it, up to the state's detail, before and after the moment in that, and on."""

    before: Columns
    until_key: Columns
    between: Columns
    head: str
    tail: str
    until_texts: Columns

    @classmethod
    def of(cls, row: Row) -> "Lasting":
        """Those of a row."""
        head, tail = row.detail.split(str(row.created_at), 1)
        cuts = row[_ID + 1 : _CREATED], row[_CREATED + 1 : _KEY]
        return cls(*cuts, row[_KEY + 1 : _DETAIL], head, tail, row[_DETAIL + 1 : _METADATA])

    def at(self, created: int) -> tuple[Columns, Columns]:
        """As they are for what is made at this moment."""
        before, until_key, between, head, tail, until_texts = self
        detail = f"{head}{created}{tail}"
        return (*before, created, *until_key), (*between, detail, *until_texts)


class Pattern:
    """The row of a new job, from which those of others like it are made. Alike are jobs whose
    fields are the same objects, but for those in ``_OWN``: equal ones may be written otherwise, as
    1 and 1.0, and jobs of one task share what they have in common. They were made at one moment,
    and stand as one object says; where the pattern ``lasts``, at any moment, each ready since then.
    ``like``: what new jobs are made like that are known to be alike. Shared by threads."""

    __slots__ = ("_has_key", "_lasting", "_moment", "_notes", "_set_once", "_values", "like")

    def __init__(self, job: Job, row: Row) -> None:
        self.like: Job | None = None
        self._values = _shared(job.__dict__)
        self._has_key = job.unique_key is not None
        before, between = row[_ID + 1 : _KEY], row[_KEY + 1 : _METADATA]
        self._moment = Moment(job.state, job.created_at, before, between)
        self._lasting = Lasting.of(row) if _is_new(job) else None
        self._notes = row[_NOTES]
        self._set_once = settings.encode(job)

    @property
    def lasts(self) -> bool:
        """Whether it is one for jobs of other calls, too."""
        return self._lasting is not None

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
            if self._lasting is None or not _is_new(job):
                return None
            columns = self._lasting.at(to_micros(job.created_at))
            moment = self._moment = Moment(job.state, job.created_at, *columns)
        texts = codec.encode_texts(job, max_bytes, self._set_once)
        written = (*moment.before, key, *moment.between, *texts)
        return as_row((None, job.id, *written, self._notes))

    def fits(self, new: Alike, max_bytes: int) -> bool:
        """Whether it lasts, and these jobs are like this one; from now on it knows what they are
        made ``like``. SerializationError when the first is larger than allowed."""
        if self._lasting is None or self.row(next(iter(new)), max_bytes) is None:
            return False
        self.like = new.like
        return True

    def rows(self, new: Alike, max_bytes: int) -> list[Row]:
        """The rows of jobs that it fits. SerializationError when one is larger than allowed."""
        assert self._lasting is not None
        like, set_once, notes = new.like, self._set_once, self._notes
        metadata = codec.encode_metadata(like)
        before, between = self._lasting.at(new.micros)
        shared = (*before, like.unique_key, *between, metadata)
        rows = []
        for job_id, (arguments, kwargs, _) in zip(new.ids, new.calls, strict=True):
            parts = [arguments, kwargs, *set_once]
            payload = codec.payload(job_id, like.method, parts, metadata, max_bytes)
            rows.append(as_row((None, job_id, *shared, payload, notes)))
        return rows


def _is_new(job: Job) -> bool:
    """Whether a job is ready, in its queue, since it was made."""
    state = job.state
    return (
        type(state) is Enqueued and state.enqueued_at is job.created_at and state.queue is job.queue
    )
