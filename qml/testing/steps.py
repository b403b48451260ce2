"""What every step of the machine does: ask oracle and storage alike, compare, check the laws."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import attrs
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, run_state_machine_as_test

from ..values.clock import ManualClock
from ..values.job import Job
from ..values.retry import RetryPolicy
from ..values.states import (
    FINAL,
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    Scheduled,
    Succeeded,
)
from ..values.times import from_micros
from .asking import answer, differs
from .compare import difference
from .making import MakeStorage, fresh
from .model import StorageModel
from .table import due_time

HANDS = frozenset(
    {"update", "delete", "cancel", "retry", "purge", "cancel_many", "retry_many", "delete_many"}
)
"""Operations that may change a job in a final state: somebody asked for it."""


@attrs.frozen(repr=False)
class Hand:
    """One job as the oracle and the storage gave it: a claim, or what somebody once read."""

    oracle: Job
    stored: Job

    def __repr__(self) -> str:
        job = self.oracle
        return f"<{job.id} {job.state.kind} version {job.version} fence {job.fence}>"


@attrs.frozen(repr=False)
class Look:
    """One schedule and its version as oracle and storage knew it: what an issue goes by."""

    oracle: Any
    stored: Any

    def __repr__(self) -> str:
        schedule, version = self.oracle
        return f"<schedule {schedule.name} version {version} next {schedule.next_slot}>"


Several = Any  # what ``multiple`` returns

claims: Bundle[Hand] = Bundle("claims")
"""Every claim ever given: stale ones are drawn as often as live ones."""


class Steps(RuleBasedStateMachine):
    """An oracle and a storage under one clock, asked the same, step by step."""

    def __init__(self, make_storage: MakeStorage, retry: RetryPolicy | None = None) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.oracle = StorageModel(self.clock, retry)
        self.storage = fresh(make_storage, self.clock)
        self._before: dict[str, Job] = {}
        self._fences: dict[str, int] = {}
        self._by_hand = False

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

    def teardown(self) -> None:
        """Close the storage."""
        self.storage.close()

    def _both(self, verb: str, *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        """What oracle and storage answer, when it is the same, and leaves the two alike."""
        self._by_hand = verb in HANDS
        answers = self._ask(verb, *arguments, **keywords)
        self._compare()
        return answers

    def _ask(self, verb: str, *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        expected = answer(self.oracle, verb, *_side(arguments, "oracle"), **keywords)
        found = answer(self.storage, verb, *_side(arguments, "stored"), **keywords)
        text = differs(verb, expected, found)
        assert text is None, f"{verb}: {text}"
        return expected, found

    def _hands(self, verb: str, *arguments: Any, **keywords: Any) -> list[Hand]:
        """The jobs of the answer, as hands."""
        expected, found = self._both(verb, *arguments, **keywords)
        if isinstance(expected, Job):
            return [Hand(expected, found)]
        pairs = zip(expected, found, strict=True) if isinstance(expected, list) else ()
        return [Hand(*pair) for pair in pairs if isinstance(pair[0], Job)]

    def _claims(self, verb: str, *arguments: Any, **keywords: Any) -> list[Hand]:
        """The claims of the answer: each has a fence above all that its job ever had."""
        before = self._fences
        taken = self._hands(verb, *arguments, **keywords)
        for job in (hand.stored for hand in taken):
            last = before.get(job.id, -1)
            assert job.fence > last, f"{verb}: fence {job.fence} of job {job.id} was given before"
        return taken

    def _compare(self) -> None:
        """Every record in full, every count, what a claim would take in its order, and the laws
        of what one step may do to a job."""
        _, jobs = self._ask("list")
        self._ask("get_job_counts")
        self._ask("get_available_jobs")
        self._ask("get_available_jobs", 1)
        after: dict[str, Job] = {job.id: job for job in jobs}
        for job_id, now in after.items():
            if job_id in self._before:
                self._one_step(self._before[job_id], now)
        self._before, self._by_hand = after, False
        self._fences = {i: max(job.fence, self._fences.get(i, 0)) for i, job in after.items()}

    def _one_step(self, was: Job, now: Job) -> None:
        where = f"job {now.id}, {was.state.kind} to {now.state.kind}"
        assert now.fence >= was.fence, f"{where}: the fence sank to {now.fence}"
        assert now.version >= was.version, f"{where}: the version sank to {now.version}"
        if now.version == was.version:
            if (was.lease_expires_at, was.notes) != (now.lease_expires_at, now.notes):
                was = attrs.evolve(was, lease_expires_at=now.lease_expires_at, notes=now.notes)
            text = difference(was, now)
            assert text is None, f"{where}: changed under the same version: {text}"
        if was.state.kind in FINAL and not self._by_hand:
            assert now.state == was.state, f"{where}: a final state changed by itself"

    def _moments(self) -> list[datetime]:
        """What lies ahead: due times, slots, expiry, ends of leases and of retention."""
        ahead: set[datetime | None] = set()
        for entry in self.oracle.entries:
            job = entry.job
            ahead |= {due_time(job.state), job.lease_expires_at, job.expires_at}
            if entry.finished_at is not None:
                days = (7 * 86_400.0, 90 * 86_400.0)
                kept = days if job.retention is None else attrs.astuple(job.retention)
                ahead |= {entry.finished_at + timedelta(seconds=seconds) for seconds in kept}
        ahead |= {from_micros(time) for time in self.oracle.times.values()}
        ahead |= {schedule.next_at for schedule in self.oracle.schedules.list()}
        return sorted(moment for moment in ahead if moment and moment > self.clock.now())

    def _job(self, job_id: str, fields: Mapping[str, Any]) -> Job:
        now = self.clock.now()
        given = self._given({"queue": "mail", "max_retries": 0, **fields})
        if fields.get("due_in") is not None:
            given["state"] = Scheduled(now, now + timedelta(seconds=fields["due_in"]))
        return Job("task", id=job_id, created_at=now, **given)

    def _given(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What of ``fields`` a job has, whatever its state."""
        given = {name: value for name, value in fields.items() if not name.endswith("_in")}
        given |= given.pop("limits", {})
        if fields.get("expires_in") is not None:
            given["expires_at"] = self.clock.now() + timedelta(seconds=fields["expires_in"])
        if fields.get("schedule") is not None:
            given["slot"] = self.clock.now()
        return given

    def _state(self, kind: str, worker: str = "w1", clock_off_by: float = 0.0) -> JobState:
        """A state as somebody whose clock is off by so many seconds would make it."""
        now = self.clock.now() + timedelta(seconds=clock_off_by)
        soon = self.clock.now() + timedelta(seconds=5)
        choices: dict[str, JobState] = {
            "enqueued": Enqueued(now, "mail"),
            "scheduled": Scheduled(now, soon),
            "processing": Processing(now, worker, "a server"),
            "succeeded": Succeeded(now, 1.5, {"n": 1}),
            "failed": Failed(now, "ValueError: no", "Traceback", 2),
            "deleted": Deleted(now, "not wanted"),
            "awaiting_retry": AwaitingRetry(now, soon, 1, "ValueError: no"),
        }
        return choices[kind]

    def _outcome(self, kind: str) -> JobState:
        """An outcome by a worker whose clock is wrong by years."""
        return self._state(kind, clock_off_by=-1e8)


def _side(value: Any, side: str) -> Any:
    """The argument with every hand and look replaced by what one side gave."""
    if isinstance(value, Hand | Look):
        return getattr(value, side)
    if isinstance(value, list | tuple):
        return type(value)(_side(item, side) for item in value)
    return value


def usual_settings(**changes: Any) -> settings:
    """The settings of the present profile, without limits of time."""
    return settings(deadline=None, suppress_health_check=list(HealthCheck), **changes)
