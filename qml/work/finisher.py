"""Records outcomes: those that come while one batch is written make up the next (group commit)."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import inf

from ..storage.storage import Storage
from ..values.errors import JobLost, SerializationError, StorageClosed, StorageError
from ..values.job import Failure, Job
from ..values.retry import RetryPolicy
from ..values.states import Failed, JobState
from . import runlog
from .backoff import Backoff
from .executor import Committed, Discarded, Outcome, Raised, Snoozed, Succeeded, describe
from .noting import Noter
from .outage import Outage
from .pulse import Pulse
from .runs import Run, Runs
from .verdicts import next_state

log = logging.getLogger("qml.server")

MOST = 500
"""Outcomes in one batch, so that a write stays short."""

WHAT = "recording of outcomes"

Ended = tuple[Run, Outcome]
Judged = Succeeded | Raised | Discarded
Recorded = tuple[Job, JobState, Failure | None]


class Finisher:
    """One thread that writes down what came of runs. ``policy_of``: a job's retry policy;
    ``noter``: who writes the last notes of a run before its outcome; ``ended``: who counts what is
    recorded, jobs as they are stored, each with the seconds it ran."""

    def __init__(
        self,
        storage: Storage,
        runs: Runs,
        policy_of: Callable[[Job], RetryPolicy],
        outage: Outage,
        noter: Noter | None = None,
        ended: Callable[[Iterable[tuple[Job, float]]], None] = lambda _: None,
    ) -> None:
        self._storage = storage
        self._noter = noter or Noter(storage)
        self._ended = ended
        self._runs = runs
        self._policy_of = policy_of
        self._outage = outage
        self._waiting: deque[Ended] = deque()
        self._news = threading.Condition()
        self._sleeps = False  # whether ``loop`` is to be woken by what comes
        self._stopped = False
        self.recorded = 0
        self.pulse = Pulse()

    def put(self, run: Run, outcome: Outcome) -> None:
        """Have an outcome recorded soon."""
        self._waiting.append((run, outcome))
        if self._sleeps:
            with self._news:
                self._sleeps = False
                self._news.notify()

    def loop(self) -> None:
        """Record until stopped, and then what is still waiting. An outage is waited out."""
        while True:
            self.pulse.beat(inf)
            with self._news:
                self._news.wait_for(self._looks)
                self._sleeps = False
            batch = self.take()
            if not batch:
                return
            self._patiently(batch)

    def _looks(self) -> bool:
        self._sleeps = True  # first: what comes after the look wakes it
        return bool(self._waiting) or self._stopped

    def take(self) -> list[Ended]:
        """The next of those that wait to be recorded, at most ``MOST``; from now on they are the
        caller's to record."""
        with self._news:
            return [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]

    def _patiently(self, batch: list[Ended]) -> None:
        backoff = Backoff()
        while batch:
            self.pulse.beat()
            try:
                self.record(batch)
                self._outage.worked(WHAT)
                return
            except StorageClosed as error:  # for good: a stop need not wait for these
                log.error("giving up on %d outcomes: %s; their jobs run again", len(batch), error)
                self._runs.remove(run for run, _ in batch)
                return
            except Exception as error:
                pause = backoff.next()
                if isinstance(error, StorageError):
                    self._outage.failed(WHAT, error, pause)
                else:
                    log.exception("%s failed: %s; trying again in %.1f s", WHAT, error, pause)
                self.pulse.beat(pause)
                if not self._waits_on(backoff, pause):
                    log.error("giving up on %d outcomes; their jobs run again", len(batch))
                    return

    def _waits_on(self, backoff: Backoff, pause: float) -> bool:
        """Pause. A stop ends the pause, and the patience after a few more tries."""
        with self._news:
            if not self._stopped:
                self._news.wait_for(lambda: self._stopped, pause)
                return True
            if backoff.tries > 3:
                return False
            self._news.wait_for(lambda: False, pause)
            return True

    def record(self, batch: Sequence[Ended]) -> None:
        """Write a batch down now, in the calling thread."""
        self._noter.write_last([run for run, _ in batch])
        finished: list[Run] = []
        outcomes: list[Recorded] = []
        heard: list[tuple[Run, Job | JobLost]] = []
        now = self._storage.now()
        for run, outcome in batch:
            if isinstance(outcome, Snoozed):
                self._snooze(run, outcome)
            elif isinstance(outcome, Committed):
                heard.append((run, outcome.answer))
            else:
                outcomes.append((run.job, *self._judge(run.job, outcome, now)))
                finished.append(run)
        heard += zip(finished, self._finish(outcomes), strict=True)
        ended = self._heard(heard)
        self.recorded += sum(not isinstance(outcome, Snoozed) for _, outcome in batch)
        self._runs.remove(run for run, _ in batch)
        runlog.tell(ended)

    def _heard(self, answers: Sequence[tuple[Run, Job | JobLost]]) -> list[tuple[Run, Job]]:
        ended: list[tuple[Run, Job]] = []
        for run, answer in answers:
            if isinstance(answer, JobLost):
                run.lost = True
                _tell(run, answer)
            else:
                ended.append((run, answer))
        self._ended([(job, run.duration_ms() / 1000) for run, job in ended])
        return ended

    def _judge(self, job: Job, outcome: Judged, now: datetime) -> tuple[JobState, Failure | None]:
        try:
            return next_state(job, outcome, self._policy_of(job), now)
        except Exception as error:  # a policy that waits beyond the calendar, say
            log.exception("the outcome of job %s (%s) leads nowhere", job.id, job.method)
            why = f"its outcome could not be recorded: {describe(error)}"
            return Failed(now, why, "", max(0, job.attempt - 1)), None

    def _finish(self, outcomes: list[Recorded]) -> list[Job | JobLost]:
        try:
            return self._storage.finish_many(outcomes) if outcomes else []
        except Exception as error:
            if _is_the_stores(error):
                raise
            # One outcome cannot be written as it is; it must not take the others down with it.
            log.exception("a batch of %d outcomes was refused; recording one by one", len(outcomes))
            return [self._finish_one(*outcome) for outcome in outcomes]

    def _finish_one(self, job: Job, state: JobState, failure: Failure | None) -> Job | JobLost:
        try:
            return self._storage.finish_many([(job, state, failure)])[0]
        except Exception as error:
            if _is_the_stores(error):
                raise
            why = Failed(exception=f"its outcome could not be recorded: {describe(error)}")
        try:
            return self._storage.finish_many([(job, why, None)])[0]
        except Exception as error:
            if _is_the_stores(error):
                raise
            message = f"job {job.id} ({job.method}): not even a failure could be recorded ({error})"
            return JobLost(f"{message}; once its lease has lapsed it runs again", job_id=job.id)

    def _snooze(self, run: Run, outcome: Snoozed) -> None:
        try:
            self._storage.release(run.job, outcome.delay or None)
        except Exception as error:
            if _is_the_stores(error):
                raise
            run.lost = True
            _tell(run, error)

    def stop(self) -> None:
        """Let ``loop`` end once everything that waits is recorded."""
        with self._news:
            self._stopped = True
            self._news.notify_all()


def _tell(run: Run, refused: Exception) -> None:
    if run.cancelled:  # somebody wanted it so, and the run was told
        log.info("job %s (%s) was cancelled, and its run has ended", run.job.id, run.job.method)
    else:
        log.warning("%s", refused)


def _is_the_stores(error: Exception) -> bool:
    """Whether the store is to blame, and not one outcome: then all of them wait."""
    return isinstance(error, StorageError) and not isinstance(error, SerializationError | JobLost)
