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
from .making import MakeStorage
from .steps import (
    A_MICROSECOND,
    FIELDS,
    IDS,
    JOBS,
    KINDS,
    LEASES,
    NEW_IDS,
    OUTCOMES,
    POOLS,
    QUEUES,
    SECONDS,
    WORKERS,
    Hand,
    Steps,
    claims,
)

Several = Any  # what ``multiple`` returns


class CallerSteps(Steps):
    """What programs and people ask for."""

    @initialize(
        target=claims, jobs=st.lists(FIELDS, max_size=3), worker=WORKERS, limit=st.integers(1, 3)
    )
    def begin_with(self, jobs: list[dict[str, Any]], worker: str, limit: int) -> Several:
        """A few jobs, some of them claimed."""
        for name, fields in zip("abcd", [{"unique_key": "k"}, *jobs], strict=False):
            self._both("enqueue", self._job(name, fields))
        return multiple(*self._claims("fetch_available_jobs_atomic", worker, limit))

    @rule(job=NEW_IDS, fields=FIELDS)
    def enqueue(self, job: str, fields: dict[str, Any]) -> None:
        """A fresh job, now or for later; its id or key may be taken."""
        self._both("enqueue", self._job(job, fields))

    @rule(
        job=NEW_IDS,
        of=IDS,
        first=st.sampled_from([None, "cancel", "delete"]),
        unique_while=st.sampled_from(["unfinished", "queued"]),
    )
    def enqueue_twin(self, job: str, of: str, first: str | None, unique_while: str) -> None:
        """A job with another's unique key, which may be held, free by now, or taken over."""
        for other in self._hands("get", of):
            if first is not None:
                self._both(first, of)
            key = other.oracle.unique_key
            fields = {"unique_key": key, "unique_while": unique_while}
            self._both("enqueue", self._job(job, fields))

    @rule(job=NEW_IDS, kind=KINDS, fields=FIELDS)
    def enqueue_as(self, job: str, kind: StateKind, fields: dict[str, Any]) -> None:
        """A job in any state, stored as given."""
        self._both("enqueue", attrs.evolve(self._job(job, fields), state=self._state(kind)))

    @rule(jobs=JOBS)
    def enqueue_many(self, jobs: list[tuple[str, dict[str, Any]]]) -> None:
        """A batch, with obstacles among the stored and within itself."""
        self._both("enqueue_many", [self._job(job, fields) for job, fields in jobs])

    @rule(target=claims, claim=claims, worker=WORKERS)
    def enqueue_again(self, claim: Hand, worker: str) -> Several:
        """Delete a job that was claimed once, and enqueue and claim another under its id."""
        self._both("delete", claim.oracle.id)
        self._both("enqueue", self._job(claim.oracle.id, {"priority": 9}))
        return multiple(*self._claims("fetch_and_lock_job", worker))

    @rule(job=IDS, note=st.integers(0, 9), fields=FIELDS)
    def rewrite(self, job: str, note: int, fields: dict[str, Any]) -> None:
        """Read a job, then change metadata, queue, priority, key and the like."""
        for seen in self._hands("get", job):
            self._both("update", self._rewritten(seen, note, fields))

    @rule(claim=claims, note=st.integers(0, 9), fields=FIELDS)
    def rewrite_claimed(self, claim: Hand, note: int, fields: dict[str, Any]) -> None:
        """The same to a job as it was when claimed, perhaps long ago."""
        self._both("update", self._rewritten(claim, note, fields))

    @rule(target=claims, job=IDS, kind=KINDS, worker=WORKERS)
    def move(self, job: str, kind: StateKind, worker: str) -> Several:
        """Change the state by hand, where the table has the move; into Processing is a claim."""
        state = self._state(kind, worker)
        for seen in self._hands("get", job):
            moved = outcome(self._each, seen, lambda job: job.with_state(state))
            if isinstance(moved, Hand) and kind == StateKind.PROCESSING:
                return multiple(*self._claims("update", moved))
            if isinstance(moved, Hand):
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

    def _rewritten(self, seen: Hand, note: int, fields: dict[str, Any]) -> Hand:
        given = {name: value for name, value in fields.items() if name != "due_in"}
        given.setdefault("metadata", {"note": note})
        return self._each(seen, lambda job: attrs.evolve(job, **given))

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

    @rule(claim=claims, end=OUTCOMES, twice=st.booleans())
    def finish(self, claim: Hand, end: str, twice: bool) -> None:
        """Write an outcome down, perhaps again for a lost reply."""
        for _ in range(1 + twice):
            self._both("finish", claim, self._outcome(end))

    @rule(
        ends=st.lists(
            st.tuples(claims, OUTCOMES), max_size=4, unique_by=lambda end: end[0].oracle.id
        )
    )
    def finish_many(self, ends: list[tuple[Hand, str]]) -> None:
        """Write several outcomes down, those of stale claims among them."""
        self._both("finish_many", [(claim, self._outcome(end)) for claim, end in ends])

    @rule(held=st.lists(claims, min_size=1, max_size=3), lease=LEASES)
    def renew(self, held: list[Hand], lease: float | None) -> None:
        """Extend leases."""
        self._both("renew", held, lease_seconds=lease)

    @rule(claim=claims, delay=st.sampled_from([None, 0.0, 5.0]))
    def release(self, claim: Hand, delay: float | None) -> None:
        """Hand a claim back."""
        self._both("release", claim, delay)

    @rule(target=claims, job=IDS, worker=WORKERS, seconds=st.sampled_from([0.5, 5.0, 100.0]))
    def lock(self, job: str, worker: str, seconds: float) -> Several:
        """Take a lock, renew it, or take a lapsed claim over and with it the claim."""
        self._both("try_acquire_job_lock", job, worker, seconds)
        found = self._hands("get", job)
        return multiple(*(hand for hand in found if isinstance(hand.oracle.state, Processing)))

    @rule(job=IDS, worker=WORKERS)
    def unlock(self, job: str, worker: str) -> None:
        """Let a lock or a lease go."""
        self._both("release_job_lock", job, worker)


class TimeSteps(Steps):
    """Time passes, chores are done, onlookers look."""

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        """Let a while pass."""
        self._pass(seconds)

    @rule(which=st.integers(0, 5), early=st.booleans())
    def advance_to(self, which: int, early: bool) -> None:
        """To the very moment when something falls due or ends, or a microsecond before it."""
        self._pass_to(which, early)

    @rule(target=claims, which=st.integers(0, 5), early=st.booleans(), worker=WORKERS, queues=POOLS)
    def fetch_at(self, which: int, early: bool, worker: str, queues: list[str] | None) -> Several:
        """The same, and claim all there is."""
        self._pass_to(which, early)
        return multiple(*self._claims("fetch_available_jobs_atomic", worker, None, queues))

    @rule(after=st.sampled_from([0.0, 0.5, 30.0, 60.0]), early=st.booleans())
    def rescue(self, after: float, early: bool) -> None:
        """Give the orphans back, now or when a lease has just lapsed or is about to."""
        self._pass(max(0.0, after - early * A_MICROSECOND))
        self._both("rescue")

    @rule(after_days=st.sampled_from([0, 7, 90]), early=st.booleans())
    def purge(self, after_days: int, early: bool) -> None:
        """Forget what finished long ago."""
        self._pass(max(0.0, after_days * 86_400 - early * A_MICROSECOND))
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

    def _pass_to(self, which: int, early: bool) -> None:
        moments = self._moments()
        if moments:
            moment = moments[min(which, len(moments) - 1)] - early * timedelta(microseconds=1)
            self._pass((moment - self.clock.now()) / timedelta(seconds=1))

    def _pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._compare()


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
