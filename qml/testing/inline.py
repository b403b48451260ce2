"""Runs what is due in the calling thread, so that a test sees what came of it."""

import contextvars
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import attrs

from ..storage.claims import Batch
from ..storage.storage import Storage
from ..values.clock import ManualClock
from ..values.errors import ConfigurationError, JobFailed
from ..values.job import Job
from ..values.states import AwaitingRetry, Failed, Scheduled, StateKind
from ..work import watching
from ..work.app import Qml, Served
from ..work.burst import rated
from ..work.committing import execute
from ..work.control import Retry
from ..work.executor import Discarded, Outcome, Raised, Runnable, Snoozed
from ..work.finisher import Finisher
from ..work.noting import Noter
from ..work.outage import Outage
from ..work.runs import Run, Runs
from .making import whole
from .wanted import app_given

LEASE_SECONDS = 3600.0
"""Nobody renews these claims: an hour, so that a stop in a debugger loses none."""

Jobs = tuple[Job, ...]


@attrs.frozen(repr=False)
class Drained:
    """What a drain ran: by what came of each attempt, its job as stored after it, in order. A job
    that was tried twice stands there twice. ``len()`` counts the attempts.

    ``succeeded``; ``retrying``: the attempt failed and another follows; ``failed``: no other does;
    ``discarded`` and ``snoozed``: the task said so; ``lost``: the claim held the job no more, as
    when the task cancelled its own job.
    """

    succeeded: Jobs = ()
    retrying: Jobs = ()
    failed: Jobs = ()
    discarded: Jobs = ()
    snoozed: Jobs = ()
    lost: Jobs = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many attempts ended in which way; ways that none took are left out."""
        ways = attrs.asdict(self, recurse=False)
        return {way: len(jobs) for way, jobs in ways.items() if jobs}

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        return ", ".join(f"{n} {way}" for way, n in self.counts.items()) or "nothing was due"

    def __repr__(self) -> str:
        return f"<Drained: {self}>"


def drain(
    jobs: Qml,
    *,
    queues: Sequence[str] | None = None,
    raises: bool = True,
    with_scheduled: bool = False,
    until: Callable[[], bool] | None = None,
    limit: int = 1000,
) -> Drained:
    """Run what is due in the calling thread, one job after the other, until nothing is, what these
    jobs enqueue included; what came of it.

    Jobs run as on a server: taken from the store with their arguments as JSON keeps them, with
    the task's retries, each in an empty ``contextvars`` context. Time limits are not enforced.

    ``raises``: the first exception of a task is raised, once its attempt is recorded, and the
    drain ends there; a ``Retry`` only when no attempt is left. False: it is recorded only. What
    must end a program or a test (KeyboardInterrupt, ``pytest.fail``) is raised in any case.
    ``with_scheduled``: when nothing is due, the storage's ManualClock is moved on to the next
    job, until none waits. ``until``: asked before each job; true ends the drain.
    ``limit``: attempts after which an AssertionError says that there is no end; 1 or more.
    """
    __tracebackhide__ = True
    served = app_given(jobs).served()
    whole("limit", limit, least=1)
    if not callable(until or bool):
        raise ConfigurationError(f"until is {until!r}; give a function, such as lambda: ...")
    storage = served.storage
    clock = _movable(storage) if with_scheduled else None
    hand = _Hand(jobs, served, raises, limit)
    while until is None or not until():
        batch = storage.claim(
            hand.worker, 1, queues, lease_seconds=LEASE_SECONDS, server_name="drain"
        )
        if batch.jobs:
            hand.run(batch.jobs[0])
        elif _more_are_due(storage, batch):
            continue
        elif clock is None or (due := _next_due(storage, queues, batch)) is None:
            break
        else:
            clock.advance((due - storage.now()).total_seconds())
    return hand.drained()


def _movable(storage: Storage) -> ManualClock:
    if isinstance(storage.clock, ManualClock):
        return storage.clock
    raise ConfigurationError(
        f"drain(with_scheduled=True): the storage's clock is a {type(storage.clock).__name__}, "
        "which nobody can move; connect with clock=ManualClock()"
    )


def _more_are_due(storage: Storage, batch: Batch) -> bool:
    """Whether an empty ``batch`` says little: a claim looks at no more than 1,000 newly due jobs,
    and these were other queues'."""
    return batch.next_due is not None and batch.next_due <= storage.now()


def _next_due(storage: Storage, queues: Sequence[str] | None, batch: Batch) -> datetime | None:
    """When the next job of these queues falls due, seen from an empty ``batch``. What is due and
    was not claimed is in another's hand."""
    if queues is None or batch.next_due is None:
        return batch.next_due
    waits = (StateKind.SCHEDULED, StateKind.AWAITING_RETRY)
    states = [job.state for queue in queues for job in storage.list(waits, queue=queue)]
    dues = [state.enqueue_at for state in states if isinstance(state, Scheduled)]
    dues += [state.retry_at for state in states if isinstance(state, AwaitingRetry)]
    dues += rated(storage, queues, storage.now())
    return min((due for due in dues if due > storage.now()), default=None)


class _Hand:
    """Runs claimed jobs one after the other, and keeps what came of them."""

    def __init__(self, jobs: Qml, served: Served, raises: bool, limit: int) -> None:
        # Each drain is a worker of its own, as each server is.
        self.worker = f"drain-{uuid4().hex[:8]}"
        self._tasks = served.tasks
        self._storage = storage = served.storage
        self._raises = raises
        self._limit = limit
        self._noter = Noter(storage, LEASE_SECONDS)
        self._finisher = Finisher(storage, Runs(), jobs.policy_of, Outage(), self._noter)
        self._ended: list[tuple[str, Job]] = []

    def run(self, job: Job) -> None:
        """Run one job and record what came of it; then raise what has to be raised."""
        __tracebackhide__ = True
        if len(self._ended) >= self._limit:
            self._storage.release(job)
            raise AssertionError(self._endless(job))
        run, tasks = _Unhurried(job, writer=self._noter), self._tasks
        task = tasks.get(job.method)
        watched = None if task is None else _Watched(task)
        # In an empty context, as in a server's thread: what a test has set there, servers have not.
        known = tasks if watched is None else {job.method: watched}
        outcome = contextvars.Context().run(
            watching.watched,
            self._storage.hooks.watchers,
            lambda run: execute(run, known, self._storage),
            run,
        )
        self._finisher.record([(run, outcome)])
        stored = self._storage.get(job.id) or job
        way = "lost" if run.lost else _way(outcome, stored)
        self._ended.append((way, stored))
        if isinstance(outcome, Raised):
            self._raise(None if watched is None else watched.error, way, job, outcome)

    def _raise(self, error: BaseException | None, way: str, job: Job, outcome: Raised) -> None:
        __tracebackhide__ = True
        if isinstance(error, Retry):  # the task's own word, and no mistake while attempts are left
            if way == "retrying":
                return
            error = error.__cause__ or error
        if error is not None and not isinstance(error, Exception | SystemExit):
            raise error
        if self._raises:
            what = f"job {job.id} ({job.method}): {outcome.exception}"
            raise error or JobFailed(what, job_id=job.id)

    def _endless(self, job: Job) -> str:
        ran = Counter(job.method for _, job in self._ended).most_common(5)
        most = ", ".join(f"{method} {times:,} times" for method, times in ran)
        return (
            f"drain has run {self._limit:,} attempts, and {job.method} is due next; it ran {most}. "
            "Does a job enqueue itself, or snooze for ever? If not, give a larger limit"
        )

    def drained(self) -> Drained:
        """What came of all jobs so far."""
        ways: dict[str, list[Job]] = {}
        for way, job in self._ended:
            ways.setdefault(way, []).append(job)
        return Drained(**{way: tuple(jobs) for way, jobs in ways.items()})


class _Unhurried(Run):
    """A run whose time limit does not come nearer: tests run on machines of any speed."""

    __slots__ = ()

    def remaining(self) -> float | None:
        """As much as when it began."""
        return self.job.timeout_seconds


class _Watched:
    """A task whose exception is kept as it is: the record has its text only."""

    def __init__(self, task: Runnable) -> None:
        self.retry = task.retry
        self.middleware = task.middleware
        self.fate = task.fate
        self.tx = getattr(task, "tx", None)
        self.error: BaseException | None = None
        self._function = task.function

    def function(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the task."""
        __tracebackhide__ = True
        try:
            return self._function(*args, **kwargs)
        except BaseException as error:
            self.error = error
            raise


def _way(outcome: Outcome, stored: Job) -> str:
    if isinstance(stored.state, Failed):
        return "failed"
    if isinstance(outcome, Raised):
        return "retrying"
    return {Discarded: "discarded", Snoozed: "snoozed"}.get(type(outcome), "succeeded")
