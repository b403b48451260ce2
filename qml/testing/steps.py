"""What every step of the machine does: ask oracle and storage alike, compare, check the laws."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine

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
    StateKind,
    Succeeded,
)
from .compare import difference, outcome
from .making import MakeStorage, fresh
from .model import StorageModel
from .strategies import json_values
from .table import due_time

"""Makes an empty storage that lives by the clock it is given."""

A_MICROSECOND = 0.000001

HANDS = frozenset({"update", "delete", "cancel", "retry", "purge"})
"""Operations that may change a job in a final state: somebody asked for it."""

IDS = st.sampled_from("abcd")  # of jobs that are there, most of the time
NEW_IDS = st.sampled_from("abcdefgh")
QUEUES = st.sampled_from(["mail", "reports"])
POOLS = st.sampled_from([None, None, ["mail"], ["reports"], ["reports", "mail"], ["nobody's"]])
WORKERS = st.sampled_from(["w1", "w2"])
LEASES = st.sampled_from([None, 0.5, 60.0])
KINDS = st.sampled_from(list(StateKind))
SECONDS = st.sampled_from([0.000001, 1.0, 30.0, 45.0])
OUTCOMES = st.sampled_from(
    ["succeeded", "failed", "awaiting_retry", "enqueued", "deleted", "scheduled"]
)
ARGUMENTS = st.one_of(
    st.sampled_from([[1, 1.0, True, -0.0], [2**64, "\0", {"b": [], "a": {}}]]),
    st.lists(json_values(max_leaves=3), max_size=2),
)

FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "queue": QUEUES,
        "priority": st.integers(-1, 2),
        "max_retries": st.sampled_from([1, None]),
        "unique_key": st.sampled_from([None, "k", "k2"]),
        "unique_while": st.sampled_from(["unfinished", "queued"]),
        "due_in": st.sampled_from([None, None, -5.0, 0.000001, 5.0, 40.0]),
        "arguments": ARGUMENTS,
        "metadata": st.just({"b": 1, "a": {"": -0.0}}),
    },
)
"""What a step says about a job; what it leaves out is as usual."""

JOBS = st.lists(st.tuples(NEW_IDS, FIELDS), max_size=4)


@attrs.frozen(repr=False)
class Hand:
    """One job as the oracle and the storage gave it: a claim, or what somebody once read."""

    oracle: Job
    stored: Job

    def __repr__(self) -> str:
        job = self.oracle
        return f"<{job.id} {job.state.kind} version {job.version} fence {job.fence}>"


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
        expected = outcome(getattr(self.oracle, verb), *_side(arguments, "oracle"), **keywords)
        found = outcome(getattr(self.storage, verb), *_side(arguments, "stored"), **keywords)
        text = difference(expected, found)
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
            if was.lease_expires_at != now.lease_expires_at:
                was = attrs.evolve(was, lease_expires_at=now.lease_expires_at)
            text = difference(was, now)
            assert text is None, f"{where}: changed under the same version: {text}"
        if was.state.kind in FINAL and not self._by_hand:
            assert now.state == was.state, f"{where}: a final state changed by itself"

    def _moments(self) -> list[datetime]:
        """What lies ahead: due times, ends of leases and of retention."""
        ahead: set[datetime | None] = set()
        for entry in self.oracle.entries:
            ahead |= {due_time(entry.job.state), entry.job.lease_expires_at}
            if entry.finished_at is not None:
                ahead |= {entry.finished_at + timedelta(days=days) for days in (7, 90)}
        return sorted(moment for moment in ahead if moment and moment > self.clock.now())

    def _job(self, job_id: str, fields: Mapping[str, Any]) -> Job:
        given: dict[str, Any] = {"queue": "mail", "max_retries": 0, **fields}
        given["created_at"] = self.clock.now()
        due_in = given.pop("due_in", None)
        if due_in is not None:
            due = self.clock.now() + timedelta(seconds=due_in)
            given["state"] = Scheduled(self.clock.now(), due)
        return Job("task", id=job_id, **given)

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
    """The argument with every hand replaced by the job of one side."""
    if isinstance(value, Hand):
        return getattr(value, side)
    if isinstance(value, list | tuple):
        return type(value)(_side(item, side) for item in value)
    return value
