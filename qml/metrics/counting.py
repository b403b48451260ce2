"""What this process counts as it happens: jobs by event, and the seconds they ran and waited."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Counter, Histogram

from ..storage.hooks import Event, EventKind
from ..values.job import Job
from ..values.states import Processing, Scheduled
from ..work.app import Qml
from .labels import Labels

DUE = "qml.due"
"""The key in a job's metadata that says when it is due, in ISO 8601; of jobs enqueued for later."""

BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0
)  # fmt: skip
"""Seconds."""

COUNTED = {
    EventKind.ENQUEUED: ("qml_jobs_enqueued", "Jobs stored."),
    EventKind.RETRYING: ("qml_jobs_retried", "Attempts that failed, and another follows."),
    EventKind.LOST: ("qml_jobs_lost", "Outcomes refused, since the claim held the job no more."),
    EventKind.RESCUED: ("qml_jobs_rescued", "Jobs taken from workers whose lease had lapsed."),
}

ENDS = (
    EventKind.SUCCEEDED,
    EventKind.FAILED,
    EventKind.DISCARDED,
    EventKind.CANCELLED,
    EventKind.EXPIRED,
)


class Counting:
    """The counters and histograms of an app in this process, from when it is made."""

    def __init__(self, jobs: Qml, registry: CollectorRegistry, labels: Labels) -> None:
        self._jobs = jobs
        self._labels = labels
        self._lock = threading.Lock()
        self._children: dict[Any, Any] = {}
        of = ("queue", "task")
        made: dict[str, Any] = {"registry": registry}
        self._by_kind = {
            kind: Counter(name, says, of, **made) for kind, (name, says) in COUNTED.items()
        }
        self._started = Counter("qml_jobs_started", "Runs begun by this process.", of, **made)
        self._finished = Counter("qml_jobs_finished", "Jobs that ended.", (*of, "state"), **made)
        made["buckets"] = BUCKETS
        self._ran = Histogram("qml_job_run_seconds", "How long runs took.", of, **made)
        waited = "How long jobs had been due when their first run began."
        self._waited = Histogram("qml_job_wait_seconds", waited, ("queue",), **made)
        _ALL.add(self)
        self._listen()

    def _listen(self) -> None:
        for kind in COUNTED:
            self._jobs.on(kind)(self._count)
        for kind in ENDS:
            self._jobs.on(kind)(self._end)
        self._jobs.before_enqueue(_noted)
        self._jobs.watch(self._run)

    def _of(self, job: Job) -> tuple[str, str]:
        return self._labels.queue(job.queue), self._labels.task(job.method)

    def _child(self, metric: Any, *labels: str) -> Any:
        """``metric.labels(*labels)``, which takes a quarter of the time when it is kept."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def _count(self, event: Event) -> None:
        of = self._of(event.job)
        with self._lock:
            self._child(self._by_kind[event.kind], *of).inc()

    def _end(self, event: Event) -> None:
        of = self._of(event.job)
        with self._lock:
            self._child(self._finished, *of, event.kind.value).inc()

    def _run(self, job: Job, call: Callable[[], object]) -> None:
        of, waited = self._of(job), self._due_for(job)
        with self._lock:
            self._child(self._started, *of).inc()
            if waited is not None:
                self._child(self._waited, of[0]).observe(waited)
        begun = time.perf_counter()
        try:
            call()
        finally:
            with self._lock:
                self._child(self._ran, *of).observe(time.perf_counter() - begun)

    def _due_for(self, job: Job) -> float | None:
        """Seconds since the job was due; None = that is not known of it any more."""
        state = job.state
        if job.fence != 1 or job.waits or job.damage is not None:
            return None
        if not isinstance(state, Processing):
            return None
        due = job.slot or _due(job) or job.created_at
        return max(0.0, (state.started_at - due).total_seconds())

    def before_fork(self) -> None:
        """Let nobody hold what the child will need."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """In the parent: go on."""
        self._lock.release()

    def begin_anew(self) -> None:
        """In a process that was forked: what its parent counted is the parent's. (Where processes
        share what they count, the library sees to it.)"""
        self._lock = threading.Lock()
        self._children = {}
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            counters = (*self._by_kind.values(), self._started, self._finished)
            for metric in (*counters, self._ran, self._waited):
                metric.clear()


def _noted(job: Job) -> Job:
    """A claim forgets when its job was due."""
    if not isinstance(job.state, Scheduled) or job.waits:
        return job
    return job.with_metadata(**{DUE: job.state.enqueue_at.isoformat()})


def _due(job: Job) -> datetime | None:
    try:
        return datetime.fromisoformat(job.metadata[DUE]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


_ALL: WeakSet[Counting] = WeakSet()


_HELD: list[Counting] = []
"""Those that wait for the end of a fork."""


def _hold() -> None:
    _HELD[:] = _ALL
    for counting in _HELD:
        counting.before_fork()


def _each(step: Callable[[Counting], None]) -> None:
    for counting in _HELD:
        step(counting)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hold,
        after_in_parent=partial(_each, Counting.after_fork),
        after_in_child=partial(_each, Counting.begin_anew),
    )
