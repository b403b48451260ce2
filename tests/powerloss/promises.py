"""What callers had been told when the power went, and what is known of each job besides.

A job's version rises with every change of its record, so versions and what they were are all that
is to be known: of every job that is found, the version has to be one that it had, with the contents
that it had then, and no lower than what was acknowledged last.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import attrs

from qml import Job

from .commits import Commit
from .trace import Answered, Called, Event

_record = attrgetter(
    *(field.name for field in attrs.fields(Job) if field.eq and field.name != "lease_expires_at")
)


class Call(NamedTuple):
    """``began``, ``ended``: numbers of events; ``commits``: how many there were after its own last
    one; None = it made none."""

    called: Called
    began: int
    answered: Answered
    ended: int
    commits: int | None


class Promises(NamedTuple):
    """At one moment. Jobs by id."""

    floors: dict[str, Job]  # the newest acknowledged version of each
    gone: set[str]  # acknowledged as removed
    may_be_gone: set[str]  # somebody has asked for that, or for something that includes it
    asked: set[str]  # to be enqueued
    commits: int  # how many have to be there


class Ledger:
    """The calls of a whole run."""

    def __init__(
        self, events: Sequence[Event], commits: Sequence[Commit], base: Sequence[Job]
    ) -> None:
        """``base``: the jobs that were there before the run."""
        self.base = {job.id: job for job in base}
        self.calls = list(_calls(events, commits))
        self.versions: dict[str, dict[int, Job]] = {}
        self._ended: dict[str, datetime] = {}  # when each job was over for the first time
        for job in (*base, *(job for call in self.calls for job in call.answered.jobs)):
            self.versions.setdefault(job.id, {})[job.version] = job
            end = _end(job)
            if end is not None:
                self._ended[job.id] = min(end, self._ended.get(job.id, end))

    def at(self, moment: int) -> Promises:
        """What had been promised before the event of this number."""
        begun = [call for call in self.calls if call.began < moment]
        done = [call for call in begun if call.ended < moment and call.answered.flushed]
        floors = dict(self.base)
        for job in (job for call in done for job in call.answered.jobs):
            if job.id not in floors or job.version > floors[job.id].version:
                floors[job.id] = job
        gone = {job_id for call in done for job_id in call.answered.gone}
        may_be_gone = {job_id for call in begun for job_id in self._to_be_removed(call)}
        asked = {i for call in begun if call.called.verb == "enqueue" for i in call.called.ids}
        kept = max((call.commits for call in done if call.commits is not None), default=0)
        return Promises(floors, gone, may_be_gone, asked | self.base.keys(), kept)

    def _to_be_removed(self, call: Call) -> Iterator[str]:
        if call.called.verb == "delete":
            yield from call.called.ids
        elif call.called.verb == "purge":
            yield from (job_id for job_id, end in self._ended.items() if end <= call.called.by)


def is_same(one: Job, other: Job) -> bool:
    """But for the lease: leases and locks change no version, and may be forgotten."""
    return bool(_record(one) == _record(other))


def _end(job: Job) -> datetime | None:
    state: Any = job.state
    names = ("succeeded_at", "failed_at", "deleted_at")
    return next((getattr(state, name) for name in names if hasattr(state, name)), None)


def _calls(events: Sequence[Event], commits: Sequence[Commit]) -> Iterator[Call]:
    """A thread makes one call at a time, so a commit belongs to the call that its thread is in."""
    at_event = {commit.event: number for number, commit in enumerate(commits, 1)}
    begun: dict[int, tuple[int, Called]] = {}
    last: dict[int, int | None] = {}
    for number, (_, thread, what) in enumerate(events):
        if isinstance(what, Called):
            begun[thread], last[thread] = (number, what), None
        elif number in at_event:
            last[thread] = at_event[number]
        elif isinstance(what, Answered):
            began, called = begun.pop(thread)
            yield Call(called, began, what, number, last[thread])
