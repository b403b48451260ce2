"""The machine's steps of jobs that wait: in paused queues, under limits, for batches and others."""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule

from ..values.states import StateKind
from .draws import BATCHES, FIELDS, IDS, KINDS, LIMITS, NEW_IDS, OUTCOMES, QUEUES, WORKERS
from .steps import Hand, Several, Steps, claims

PARENTS = st.lists(IDS, min_size=1, max_size=2)


class GroupSteps(Steps):
    """What holds jobs up, and what lets them go on."""

    @initialize(more=st.sampled_from([None, True, False]), needs_success=st.booleans())
    def begin_with_a_batch(self, more: bool | None, needs_success: bool) -> None:
        """Somebody waits for one that has a job, perhaps."""
        if more is None:
            return
        self.expect("night", True)
        self._both("enqueue", self._job("g", {"batch": "night"}))
        self._both("enqueue", self._waiting("h", {}, None, "night", needs_success))
        self.expect("night", more)

    @initialize(limits=st.none() | st.sampled_from(LIMITS), limit=st.integers(1, 2))
    def begin_under_a_limit(self, limits: dict[str, Any] | None, limit: int) -> None:
        """Two jobs in two queues have one, perhaps, and one before them."""
        if limits is not None:
            for name, queue in (("e", "mail"), ("f", "reports"), ("b", "mail")):
                self._both("enqueue", self._job(name, {"queue": queue, "limits": limits}))
            self._both("fetch_available_jobs_atomic", "w2", limit, lease_seconds=0.5)

    @rule(batch=BATCHES, more=st.booleans())
    def expect(self, batch: str, more: bool) -> None:
        """More jobs of a batch are to come, or no more."""
        self._both("expect", batch, more)
        self._both("progress", batch)

    @rule(job=NEW_IDS, batch=BATCHES, needs_success=st.booleans(), fields=FIELDS)
    def enqueue_after_batch(
        self, job: str, batch: str, needs_success: bool, fields: dict[str, Any]
    ) -> None:
        """A job that waits for a batch, of which nobody may have heard, or which may be over."""
        self._both("enqueue", self._waiting(job, fields, None, batch, needs_success))

    @rule(
        job=NEW_IDS,
        parents=PARENTS,
        needs_success=st.booleans(),
        fields=FIELDS,
        kind=st.sampled_from([None, None, None]) | KINDS,
    )
    def enqueue_after(
        self,
        job: str,
        parents: list[str],
        needs_success: bool,
        fields: dict[str, Any],
        kind: StateKind | None,
    ) -> None:
        """A job that waits for others, which may have ended, or are not there."""
        given = self._waiting(job, fields, parents, None, needs_success)
        if kind is not None:
            given = attrs.evolve(given, state=self._state(kind))
        self._both("enqueue", given)

    @rule(jobs=st.lists(st.tuples(NEW_IDS, IDS), max_size=3), fields=FIELDS)
    def enqueue_many_after(self, jobs: list[tuple[str, str]], fields: dict[str, Any]) -> None:
        """Several that wait for others, in one step."""
        given = {**fields, "unique_key": None}
        self._both(
            "enqueue_many", [self._waiting(job, given, [of], None, True) for job, of in jobs]
        )

    @rule(
        target=claims,
        names=st.lists(NEW_IDS, min_size=2, max_size=4, unique=True),
        limits=st.sampled_from(LIMITS),
        worker=WORKERS,
        fields=FIELDS,
    )
    def enqueue_limited(
        self, names: list[str], limits: dict[str, Any], worker: str, fields: dict[str, Any]
    ) -> Several:
        """Some jobs under one limit, and a claim for as many as there are."""
        given = {**fields, "limits": limits, "unique_key": None}
        self._both("enqueue_many", [self._job(name, given) for name in names])
        return multiple(*self._claims("fetch_available_jobs_atomic", worker))

    @rule(target=claims, worker=WORKERS, end=st.just("succeeded") | OUTCOMES)
    def work(self, worker: str, end: str) -> Several:
        """Claim all there is, and end it."""
        taken = self._claims("fetch_available_jobs_atomic", worker)
        self._both("finish_many", [(claim, self._outcome(end)) for claim in taken])
        return multiple(*taken)

    @rule(target=claims, claim=claims, worker=WORKERS, lock=st.booleans())
    def come_late(self, claim: Hand, worker: str, lock: bool) -> Several:
        """A claim lapses, another worker claims what there is, and the first asks for its lease."""
        until = claim.oracle.lease_expires_at or self.clock.now()
        self.clock.advance(max(0.0, (until - self.clock.now()).total_seconds()))
        taken = self._claims("fetch_available_jobs_atomic", worker)
        if lock:
            self._both("try_acquire_job_lock", claim.oracle.id, "w1", 5.0)
        self._both("renew", [claim])
        return multiple(*taken)

    @rule(queue=QUEUES, pause=st.booleans())
    def pause(self, queue: str, pause: bool) -> None:
        """Pause a queue, or go on with it."""
        self._both("queues.pause" if pause else "queues.resume", queue)
        self._both("queues.paused")
        self._both("queues.list")

    @rule(batch=BATCHES)
    def ask_why(self, batch: str) -> None:
        """What keeps each job back, and how far a batch is."""
        jobs = self._hands("list")
        self._both("kept_back", jobs)
        self._both("progress", batch)

    def _waiting(
        self,
        job: str,
        fields: dict[str, Any],
        parents: list[str] | None,
        batch: str | None,
        needs_success: bool,
    ) -> Any:
        after = {"after": parents or (), "after_batch": batch, "needs_success": needs_success}
        if batch is not None and fields.get("batch") == batch:
            after["batch"] = None  # no job comes after itself
        return self._job(job, {**fields, **after})
