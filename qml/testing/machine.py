"""A Hypothesis state machine that proves a storage against the oracle.

To prove a storage of your own::

    from qml.testing import StorageMachine


    def test_my_storage():
        StorageMachine.run(lambda clock: MyStorage(clock=clock))
"""

from datetime import timedelta
from functools import partial
from typing import Any, cast

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule, run_state_machine_as_test

from ..values.retry import RetryPolicy
from ..values.states import Processing, StateKind
from .compare import outcome
from .steps import (
    FIELDS,
    IDS,
    JOBS,
    KINDS,
    LEASES,
    OUTCOMES,
    POOLS,
    QUEUES,
    SECONDS,
    WORKERS,
    Hand,
    MakeStorage,
    Steps,
    claims,
    reads,
)

Several = Any  # what ``multiple`` returns


class CallerSteps(Steps):
    """What programs and people ask for."""

    @initialize(jobs=JOBS)
    def begin_with(self, jobs: list[tuple[str, dict[str, Any]]]) -> None:
        """A storage that is seldom empty."""
        self._both("enqueue_many", [self._job(job, fields) for job, fields in jobs])

    @rule(job=IDS, fields=FIELDS)
    def enqueue(self, job: str, fields: dict[str, Any]) -> None:
        """A fresh job, now or for later; ids and keys are often taken."""
        self._both("enqueue", self._job(job, fields))

    @rule(job=IDS, kind=KINDS, fields=FIELDS)
    def enqueue_as(self, job: str, kind: StateKind, fields: dict[str, Any]) -> None:
        """A job in any state, stored as given."""
        self._both("enqueue", attrs.evolve(self._job(job, fields), state=self._state(kind)))

    @rule(jobs=JOBS)
    def enqueue_many(self, jobs: list[tuple[str, dict[str, Any]]]) -> None:
        """A batch, with obstacles among the stored and within itself."""
        self._both("enqueue_many", [self._job(job, fields) for job, fields in jobs])

    @rule(seen=reads)
    def enqueue_again(self, seen: Hand) -> None:
        """A value read before, after its job was deleted or while it is there."""
        self._both("enqueue", seen)

    @rule(target=reads, job=IDS)
    def read(self, job: str) -> Several:
        """A job as it is now, for later use, stale by then or not."""
        return multiple(*self._hands("get", job))

    @rule(seen=reads, note=st.none() | st.integers(0, 9), fields=FIELDS)
    def rewrite(self, seen: Hand, note: int | None, fields: dict[str, Any]) -> None:
        """Change metadata, queue, priority, key and the like, and keep the state."""
        given = {name: value for name, value in fields.items() if name != "due_in"}
        change = partial(attrs.evolve, metadata={"note": note}, **given)
        self._both("update", self._each(seen, change))

    @rule(target=claims, seen=reads, kind=KINDS, worker=WORKERS)
    def move(self, seen: Hand, kind: StateKind, worker: str) -> Several:
        """Change the state by hand, where the table has the move; into Processing is a claim."""
        state = self._state(kind, worker)
        moved = outcome(self._each, seen, lambda job: job.with_state(state))
        if not isinstance(moved, Hand):
            return multiple()
        if kind == StateKind.PROCESSING:
            return multiple(*self._claims("update", moved))
        self._both("update", moved)
        return multiple()

    @rule(job=IDS)
    def delete(self, job: str) -> None:
        """Remove a record; its id is free at once."""
        self._both("delete", job)

    @rule(job=IDS, reason=st.sampled_from([None, "not wanted"]))
    def cancel(self, job: str, reason: str | None) -> None:
        """Cancel a job, also one that runs."""
        self._both("cancel", job, reason)

    @rule(job=IDS)
    def retry(self, job: str) -> None:
        """Retry by hand."""
        self._both("retry", job)

    @staticmethod
    def _each(hand: Hand, change: Any) -> Hand:
        return Hand(change(hand.oracle), change(hand.stored))


class ClaimSteps(Steps):
    """What workers do; the bundle keeps every claim ever given, stale as well as live."""

    @rule(
        target=claims,
        worker=WORKERS,
        limit=st.sampled_from(["one", None, 1, 2, 3]),
        queues=POOLS,
        lease=LEASES,
    )
    def fetch(
        self, worker: str, limit: Any, queues: list[str] | None, lease: float | None
    ) -> Several:
        """Claim the best job, or the best few in one step."""
        if limit == "one":
            found = self._claims("fetch_and_lock_job", worker, queues, lease_seconds=lease)
        else:
            verb = "fetch_available_jobs_atomic"
            found = self._claims(verb, worker, limit, queues, lease_seconds=lease)
        return multiple(*found)

    @rule(target=claims, job=IDS)
    def adopt(self, job: str) -> Several:
        """Whoever reads a running job has its claim in hand, as a lock's new holder does."""
        found = self._hands("get", job)
        return multiple(*(hand for hand in found if isinstance(hand.oracle.state, Processing)))

    @rule(claim=claims, end=OUTCOMES, twice=st.booleans())
    def finish(self, claim: Hand, end: str, twice: bool) -> None:
        """Write an outcome down, perhaps again for a lost reply."""
        for _ in range(1 + twice):
            self._both("finish", claim, self._state(end))

    @rule(ends=st.lists(st.tuples(claims, OUTCOMES), max_size=4))
    def finish_many(self, ends: list[tuple[Hand, str]]) -> None:
        """Write several outcomes down, those of stale claims among them."""
        self._both("finish_many", [(claim, self._state(end)) for claim, end in ends])

    @rule(held=st.lists(claims, max_size=3), lease=LEASES)
    def renew(self, held: list[Hand], lease: float | None) -> None:
        """Extend leases."""
        self._both("renew", held, lease_seconds=lease)

    @rule(claim=claims, delay=st.sampled_from([None, 0.0, 5.0]))
    def release(self, claim: Hand, delay: float | None) -> None:
        """Hand a claim back."""
        self._both("release", claim, delay)

    @rule()
    def rescue(self) -> None:
        """Give the orphans back."""
        self._both("rescue")

    @rule(job=IDS, worker=WORKERS, seconds=st.sampled_from([0.5, 5.0, 100.0]))
    def lock(self, job: str, worker: str, seconds: float) -> None:
        """Take a lock, renew it, or take a lapsed claim over."""
        self._both("try_acquire_job_lock", job, worker, seconds)

    @rule(job=IDS, worker=WORKERS)
    def unlock(self, job: str, worker: str) -> None:
        """Let a lock or a lease go."""
        self._both("release_job_lock", job, worker)


class TimeSteps(Steps):
    """Time passes, onlookers look."""

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        """Let a while pass."""
        self.clock.advance(seconds)
        self._compare()

    @rule(which=st.integers(0, 5), early=st.booleans())
    def advance_to(self, which: int, early: bool) -> None:
        """To the very moment when something falls due or ends, or a microsecond before it."""
        moments = self._moments()
        if moments:
            moment = moments[min(which, len(moments) - 1)] - early * timedelta(microseconds=1)
            self.clock.advance((moment - self.clock.now()) / timedelta(seconds=1))
            self._compare()

    @rule()
    def purge(self) -> None:
        """Forget what finished long ago."""
        self._both("purge")

    @rule(
        kinds=st.none() | KINDS | st.lists(KINDS, max_size=3),
        limit=st.sampled_from([None, 0, 1, 2]),
        offset=st.sampled_from([None, 0, 1, 3]),
        queue=st.none() | QUEUES,
    )
    def look(self, kinds: Any, limit: int | None, offset: int | None, queue: str | None) -> None:
        """Read pages of the list and of what is available, and ask for ends without waiting."""
        self._both("list", kinds, limit, offset, queue=queue)
        self._both("get_available_jobs", limit)
        for job in self.oracle.list():
            self._ask("wait", job.id, 0)


class StorageMachine(CallerSteps, ClaimSteps, TimeSteps):
    """Proves a storage: whatever the steps and their order, it does what the oracle does.

    ``make_storage(clock)`` returns a fresh, empty storage that lives by that clock; ``retry`` is
    the policy it was made with. After every step all records, counts and available jobs are
    compared. Use ``StorageMachine.run``, or derive a class for Hypothesis's ``TestCase``::

        class Mine(StorageMachine):
            def __init__(self):
                super().__init__(make_storage)


        TestMine = Mine.TestCase
    """

    @classmethod
    def run(
        cls,
        make_storage: MakeStorage,
        *,
        retry: RetryPolicy | None = None,
        settings: settings | None = None,
    ) -> None:
        """Run the machine as a test: AssertionError with the shortest steps found that break it."""
        machine = partial(cls, make_storage, retry)
        # Any factory will do, a class or not, as its documentation says and its types do not.
        run_state_machine_as_test(cast(Any, machine), settings=settings or usual_settings())


def usual_settings(**changes: Any) -> settings:
    """The settings of the present profile, without limits of time."""
    return settings(deadline=None, suppress_health_check=list(HealthCheck), **changes)
