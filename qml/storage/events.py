"""Which events the ends of claims are."""

from collections.abc import Iterator, Sequence

from ..seam.codec import decode_job
from ..values.errors import JobLost
from ..values.job import Job
from ..values.states import Failed, StateKind
from . import rules
from .claims import Outcome
from .hooks import EventKind

_KINDS = {
    StateKind.SUCCEEDED: EventKind.SUCCEEDED,
    StateKind.FAILED: EventKind.FAILED,
    StateKind.DELETED: EventKind.DISCARDED,
    StateKind.AWAITING_RETRY: EventKind.RETRYING,
    StateKind.ENQUEUED: EventKind.RETRYING,
}


def of_ends(
    given: Sequence[Outcome], done: Sequence[Job | JobLost]
) -> Iterator[tuple[EventKind, Job]]:
    """The events of outcomes that were recorded, or refused, and of the jobs that follow."""
    for outcome, answer in zip(given, done, strict=True):
        if isinstance(answer, JobLost):
            yield EventKind.LOST, outcome.job
            continue
        yield _KINDS[answer.state.kind], answer
        yield from _following(answer)


def of_rescues(rescued: Sequence[Job]) -> Iterator[tuple[EventKind, Job]]:
    """The events of jobs that were rescued, and of those that follow."""
    for job in rescued:
        yield EventKind.RESCUED, job
        if isinstance(job.state, Failed):
            yield EventKind.FAILED, job
            yield from _following(job)


def _following(job: Job) -> Iterator[tuple[EventKind, Job]]:
    for row in rules.following(job, job.state):
        yield EventKind.ENQUEUED, decode_job(row)
