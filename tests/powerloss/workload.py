"""Threads at work on one SQLite file through qml, each noting what it asks and what it is told.

The clock is set by hand, so leases lapse, retries fall due and jobs outlive their retention here as
they would in weeks.
"""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from qml import AwaitingRetry, Failed, Job, Retention, RetryPolicy, Scheduled, Succeeded
from qml.storage.engines import SqliteStorage
from qml.testing import ManualClock
from qml.values import errors
from qml.values.states import JobState

from .trace import Answered, Called, Trace

KEPT = 40.0
"""Seconds that a finished job is kept."""

REFUSALS = (
    errors.ConcurrentModification,
    errors.InvalidTransition,
    errors.JobLost,
    errors.JobNotFound,
    errors.UniqueKeyTaken,
)
"""What a call may answer instead of doing something."""

QUEUES = ("mail", "default")
SIZES = (0, 10, 300, 3_000, 20_000)
"""Bytes of a job's argument: within a page, and over several."""


class Plan(NamedTuple):
    """``storages``: opened at once, like those of as many processes; each has ``threads``. All are
    closed and opened again ``rounds`` times; in each a thread takes so many ``steps``. ``start``:
    what the clock shows, in seconds."""

    seed: int
    durability: str = "full"
    start: float = 2_000_000_000.0
    storages: int = 2
    threads: int = 3
    rounds: int = 3
    steps: int = 30
    checkpoint: int | None = None  # pages of the log; None = as SQLite and qml have it, 1,000


def work(path: Path, plan: Plan, trace: Trace) -> None:
    """Do what the plan says on the file ``path``."""
    clock = ManualClock(plan.start)
    ids: list[str] = []
    for turn in range(plan.rounds):
        with ExitStack() as stack:
            storages = [
                stack.enter_context(open_storage(path, plan.durability, clock))
                for _ in range(plan.storages)
            ]
            workers = [
                Worker(
                    f"{turn}-{number}", storages[number % len(storages)], clock, trace, ids, plan
                )
                for number in range(plan.storages * plan.threads)
            ]
            _run([worker.run for worker in workers])


def open_storage(path: Path, durability: str, clock: ManualClock) -> SqliteStorage:
    """As the work needs it: jobs do not stay long."""
    retention = Retention(succeeded=KEPT, deleted=KEPT, failed=KEPT)
    retry = RetryPolicy(max_retries=2, base=5)
    return SqliteStorage(path, durability=durability, clock=clock, retry=retry, retention=retention)


def _run(targets: Sequence[Callable[[], None]]) -> None:
    failed: list[BaseException] = []

    def guarded(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


class Worker:
    """One thread of a server, or of a program that enqueues."""

    def __init__(
        self,
        name: str,
        storage: SqliteStorage,
        clock: ManualClock,
        trace: Trace,
        ids: list[str],
        plan: Plan,
    ) -> None:
        self.name = name
        self.storage = storage
        self.clock = clock
        self.trace = trace
        self.ids = ids  # all workers' jobs
        self.steps = plan.steps
        self.rng = random.Random(f"{plan.seed} {name}")
        self.held: list[Job] = []

    def run(self) -> None:
        """Take the steps, as chance has it."""
        for _ in range(self.steps):
            [step] = self.rng.choices([*STEPS], [*STEPS.values()])
            step(self)

    # -- calls, noted --------------------------------------------------------------------------

    def _ask(
        self,
        called: Called,
        act: Callable[[], Any],
        *,
        flushed: bool = True,
        gone: bool = False,
    ) -> list[Job]:
        """The jobs that are answered. A refusal promises nothing."""
        call = self.trace.add(called)
        try:
            answer = act()
        except REFUSALS:
            self.trace.add(Answered(call, flushed))
            return []
        answers = answer if isinstance(answer, list) else [answer]
        jobs = [each for each in answers if isinstance(each, Job)]
        removed = called.ids if gone and answer is True else ()
        self.trace.add(Answered(call, flushed, tuple(jobs), removed))
        return jobs

    def enqueue(self) -> None:
        """One job."""
        self._enqueue([self._job()])

    def enqueue_many(self) -> None:
        """All or none."""
        self._enqueue([self._job() for _ in range(self.rng.randrange(2, 12))])

    def _enqueue(self, jobs: list[Job]) -> None:
        called = Called("enqueue", tuple(job.id for job in jobs))
        stored = self._ask(called, lambda: self.storage.enqueue_many(jobs))
        self.ids += [job.id for job in stored]

    def _job(self) -> Job:
        rng, now = self.rng, self.clock.now()
        later = Scheduled(now, now + timedelta(seconds=rng.randrange(1, 30)), "later")
        return Job(
            "task",
            [rng.randrange(2**40), "x" * rng.choice(SIZES)],
            queue=rng.choice(QUEUES),
            priority=rng.randrange(3),
            unique_key=rng.choice((None, None, None, f"key-{rng.randrange(100)}")),
            unique_while=rng.choice(("unfinished", "queued")),
            **({"state": later} if rng.random() < 0.2 else {}),
        )

    def claim(self) -> None:
        """Some jobs; a power loss may take the claim back."""
        limit = self.rng.randrange(1, 5)
        act = lambda: self.storage.fetch_available_jobs_atomic(self.name, limit)  # noqa: E731
        self.held += self._ask(Called("claim"), act, flushed=False)

    def renew(self) -> None:
        """Everything held."""
        self._ask(Called("renew"), lambda: self.storage.renew(self.held), flushed=False)

    def finish(self) -> None:
        """One or more of the claims, in one step."""
        count = self.rng.randrange(1, 5)
        ends = [(job, self._outcome(job)) for job in self.held[:count]]
        del self.held[:count]
        self._ask(Called("finish"), lambda: self.storage.finish_many(ends))

    def _outcome(self, job: Job) -> JobState:
        now = self.clock.now()
        kind = self.rng.randrange(5)
        if kind == 0:
            return Failed(now, "ValueError: no", "at line 1", job.attempt)
        if kind == 1:
            return AwaitingRetry(now, now + timedelta(seconds=3), job.attempt, "ValueError: no")
        return Succeeded(now, 1, {"n": self.rng.randrange(2**40)})

    def release(self) -> None:
        """Hand a claim back."""
        if self.held:
            job = self.held.pop()
            self._ask(Called("release"), lambda: self.storage.release(job))

    # -- other hands ---------------------------------------------------------------------------

    def _any(self) -> str:
        return self.rng.choice(self.ids[-60:] or ["none"])

    def cancel(self) -> None:
        """Any job."""
        self._ask(Called("cancel"), lambda: self.storage.cancel(self._any(), "no more"))

    def retry(self) -> None:
        """Any job."""
        self._ask(Called("retry"), lambda: self.storage.retry(self._any()))

    def update(self) -> None:
        """Any job's metadata."""
        job = self.storage.get(self._any())
        if job is not None:
            new = job.with_metadata(note=self.rng.randrange(2**40))
            self._ask(Called("update"), lambda: self.storage.update(new))

    def delete(self) -> None:
        """Any job."""
        called = Called("delete", (self._any(),))
        self._ask(called, lambda: self.storage.delete(*called.ids), gone=True)

    def purge(self) -> None:
        """What is finished for long."""
        by = self.clock.now() - timedelta(seconds=KEPT)
        self._ask(Called("purge", by=by), lambda: self.storage.purge(20))

    def rescue(self) -> None:
        """What lapsed."""
        self._ask(Called("rescue"), self.storage.rescue)

    def let_time_pass(self) -> None:
        """Up to three seconds; a lease has 30."""
        self.clock.advance(self.rng.random() * 3)


STEPS: dict[Callable[[Worker], None], int] = {
    Worker.enqueue: 20,
    Worker.enqueue_many: 6,
    Worker.claim: 20,
    Worker.finish: 20,
    Worker.renew: 3,
    Worker.release: 3,
    Worker.cancel: 3,
    Worker.retry: 3,
    Worker.update: 4,
    Worker.delete: 2,
    Worker.purge: 3,
    Worker.rescue: 3,
    Worker.let_time_pass: 10,
}
