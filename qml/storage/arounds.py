"""Functions around the enqueueing of jobs: what they change is stored, what they raise stops it."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ..values import functions
from ..values.errors import ConfigurationError
from ..values.job import Job

Jobs = list[Job]

Store = Callable[[Jobs], Jobs]
"""Stores new jobs, and says what is stored."""

Around = Callable[[Jobs, Store], Any]
"""Called with jobs on their way into the store and the call that stores them, which it makes once;
what it returns does not matter."""

Before = Callable[[Job], Job]
"""Called with a job on its way into the store; returns the one to store."""


def before(function: Before) -> Around:
    """The same for each of the jobs."""
    functions.check("what before_enqueue takes", function)

    def around(jobs: Jobs, store: Store) -> None:
        store([function(job) for job in jobs])

    return around


def through(arounds: Sequence[Around], jobs: Jobs, store: Store) -> Jobs:
    """Store ``jobs`` within ``arounds``, the first of them outermost; what is stored. A
    ConfigurationError when they lose a job, or change its id, by which callers know it."""
    stored: list[Jobs] = []

    def innermost(changed: Jobs) -> Jobs:
        _check(jobs, changed)
        stored.append(store(changed))
        return stored[-1]

    call: Store = innermost
    for around in reversed(arounds):
        call = partial(_one, around, call)
    call(jobs)
    if not stored:
        raise ConfigurationError(
            f"job {jobs[0].id} ({jobs[0].method}) was not stored: a function of around_enqueue did "
            "not make the call it was given, or kept its error; to refuse a job, raise"
        )
    return stored[-1]


def _one(around: Around, inner: Store, jobs: Jobs) -> Jobs:
    answers: list[Jobs] = []

    def call(changed: Iterable[Job]) -> Jobs:
        answers.append(inner([*changed]))
        return answers[-1]

    around(jobs, call)
    return answers[-1] if answers else []


def _check(given: Jobs, changed: Any) -> None:
    ids = [job.id if isinstance(job, Job) else None for job in changed]
    if ids == [job.id for job in given]:
        return
    lost = next((job for job, other in zip(given, ids, strict=False) if job.id != other), given[-1])
    raise ConfigurationError(
        f"job {lost.id} ({lost.method}) was not stored: before_enqueue, or around_enqueue, passed "
        "on another job or none in its place; pass on each job, in the same order, with its id"
    )
