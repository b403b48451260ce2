"""Rows of jobs that are alike: what a job has in common with the one before is written once."""

from operator import is_, itemgetter

import attrs

from ..values import jsontext
from ..values.job import Job
from . import codec, settings
from .rows import Row

_OWN = ("id", "arguments", "kwargs", "metadata", "unique_key", "max_attempts", "seq")
_SHARED = tuple(field.name for field in attrs.fields(Job) if field.name not in _OWN)
_shared = itemgetter(*_SHARED)

_ID, _KEY, _METADATA, _PAYLOAD, _NOTES = map(
    Row._fields.index, ("id", "unique_key", "metadata", "payload", "notes")
)


def in_common(row: Row) -> tuple[object, ...]:
    """What new rows of one call mostly share: all but their ids and payloads."""
    return (*row[_ID + 1 : _PAYLOAD], row.notes)


class Pattern:
    """The row of a new job, from which those of others like it are made. Alike are jobs whose
    fields are the same objects, but for those in ``_OWN``: equal ones may be written otherwise, as
    1 and 1.0, and jobs of one call share what they have in common."""

    __slots__ = ("_before", "_between", "_has_key", "_notes", "_set_once", "_values")

    def __init__(self, job: Job, row: Row) -> None:
        self._values = _shared(job.__dict__)
        self._has_key = job.unique_key is not None
        self._before, self._between = row[_ID + 1 : _KEY], row[_KEY + 1 : _METADATA]
        self._notes = row[_NOTES]
        self._set_once = settings.encode(job)

    def row(self, job: Job, max_bytes: int) -> Row | None:
        """The row of another job; None when it is not like this one. SerializationError when it is
        larger than allowed."""
        key = job.unique_key
        if (key is not None) is not self._has_key or job.after:  # whom it waits for goes by its id
            return None
        if not all(map(is_, _shared(job.__dict__), self._values)):
            return None
        metadata = jsontext.dumps(job.metadata) if job.metadata else "{}"
        payload = codec.encode_payload(job, max_bytes, self._set_once)
        texts = (metadata, payload, self._notes)
        return Row._make((None, job.id, *self._before, key, *self._between, *texts))
