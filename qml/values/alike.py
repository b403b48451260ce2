"""New jobs that are alike: what one task's have in common is copied, and only their own is made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

from . import jsontext, trusted
from .ids import new_ids
from .job import Job
from .times import from_micros

Call = tuple[list[Any], dict[str, Any], Mapping[str, Any]]
"""Arguments and kwargs, and fields of its job that go by them."""


def call(arguments: Sequence[Any], kwargs: Mapping[str, Any], own: Mapping[str, Any]) -> Call:
    """A call as a job keeps it: copies, which nobody else has. SerializationError."""
    named = jsontext.checked({**kwargs}, "kwargs") if kwargs else {}
    return jsontext.checked([*arguments], "arguments"), named, own


class Alike:
    """New jobs like one that was checked and never stored: one for each of these calls, which have
    no fields of their own, made at ``micros`` (since 1970 UTC), with an id of its own. The jobs
    themselves are made when somebody looks at them, and as they are stored, since a job has 40
    fields; each time anew, but equal."""

    __slots__ = ("calls", "ids", "like", "micros")

    def __init__(self, like: Job, calls: Sequence[Call], micros: int) -> None:
        self.like = like
        self.calls = calls
        self.micros = micros
        self.ids = new_ids(len(calls))

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.made(None, repeat(None)))

    def made(self, max_attempts: int | None, seqs: Iterable[int | None]) -> list[Job]:
        """The jobs; as they are once they are stored, with what the storage gives them."""
        same = _begun(self.like, from_micros(self.micros))
        same["max_attempts"] = max_attempts
        each = [same, *[same.copy() for _ in self.ids[1:]]]
        return [*map(_one, each, self.ids, self.calls, seqs)]


def others(
    like: Job, calls: Sequence[Call], created_at: datetime, changes: Mapping[str, Any]
) -> list[Job]:
    """New jobs like one that was checked and never stored: other calls, made then (UTC), each with
    an id of its own. ``changes``: fields that are different besides, checked by the caller."""
    same = {**_begun(like, created_at), **changes}
    ids = [changes["id"]] * len(calls) if "id" in changes else new_ids(len(calls))
    return [_one(same.copy(), job_id, made) for job_id, made in zip(ids, calls, strict=True)]


def _begun(like: Job, created_at: datetime) -> dict[str, Any]:
    """The fields of jobs like this that were made then."""
    same = like.__dict__.copy()
    same["created_at"] = created_at
    same["state"] = like.first_state(created_at)
    return same


def _one(parts: dict[str, Any], job_id: str, call: Call, seq: int | None = None) -> Job:
    """The job of a call, of fields that are its own from now on."""
    parts["id"] = job_id
    parts["seq"] = seq
    parts["arguments"], parts["kwargs"], own = call
    if metadata := parts["metadata"]:
        parts["metadata"] = jsontext.checked(metadata, "metadata")  # nobody else's
    else:
        parts["metadata"] = {}
    if own:
        parts |= own
    return trusted.make(Job, parts)
