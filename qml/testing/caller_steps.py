"""The machine's steps of programs and people: what they enqueue, change, cancel and remove."""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule

from ..values.followup import Followup
from ..values.selection import JobFilter
from ..values.states import StateKind
from ..values.trusted import changed
from .compare import outcome
from .draws import FIELDS, FILTERS, IDS, JOBS, KINDS, NEW_IDS, NEXTS, SHORT, WORKERS
from .steps import Hand, Several, Steps, claims

POLICIES = st.sampled_from(["raise", "existing", "replace"])
MANY = st.sampled_from(["cancel_many", "cancel_many", "retry_many", "delete_many"])
FIRST = {
    "unique_key": "k",
    "on_failure": Followup("mend"),
    "on_success": NEXTS[0],
    "retention": SHORT,
}


class CallerSteps(Steps):
    """What programs and people ask for."""

    @initialize(
        target=claims, jobs=st.lists(FIELDS, max_size=3), worker=WORKERS, limit=st.integers(1, 3)
    )
    def begin_with(self, jobs: list[dict[str, Any]], worker: str, limit: int) -> Several:
        """A few jobs, some of them claimed."""
        for name, fields in zip("abcd", [FIRST, *jobs], strict=False):
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
        fields=FIELDS,
        on_conflict=POLICIES,
    )
    def enqueue_twin(
        self, job: str, of: str, first: str | None, fields: dict[str, Any], on_conflict: str
    ) -> None:
        """A job with another's unique key, which may be held, free by now, or taken over."""
        for other in self._hands("get", of):
            if first is not None:
                self._both(first, of)
            twin = self._job(job, {**fields, "unique_key": other.oracle.unique_key})
            self._both("enqueue", twin, on_conflict=on_conflict)

    @rule(job=NEW_IDS, kind=KINDS, fields=FIELDS)
    def enqueue_as(self, job: str, kind: StateKind, fields: dict[str, Any]) -> None:
        """A job in any state, stored as given."""
        self._both("enqueue", attrs.evolve(self._job(job, fields), state=self._state(kind)))

    @rule(jobs=JOBS, on_conflict=POLICIES)
    def enqueue_many(self, jobs: list[Any], on_conflict: str) -> None:
        """Jobs of several kinds, some of each, with obstacles among the stored and themselves."""
        batch = []
        for job, fields, others in jobs:
            first = self._job(job, fields)
            batch += [first, *(changed(first, id=other, **own) for other, own in others)]
        self._both("enqueue_many", batch, on_conflict=on_conflict)

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

    @rule(where=FILTERS, verb=MANY)
    def change_many(self, where: JobFilter, verb: str) -> None:
        """Cancel, retry or remove what a filter names."""
        self._both(verb, where)

    @rule(job=IDS)
    def retry(self, job: str) -> None:
        """Retry by hand."""
        self._both("retry", job)

    def _rewritten(self, seen: Hand, note: int, fields: dict[str, Any]) -> Hand:
        given = self._given(fields)
        if given.get("batch") == seen.oracle.after_batch:
            given.pop("batch", None)  # no job comes after itself
        given.setdefault("metadata", {"note": note})
        return self._each(seen, lambda job: attrs.evolve(job, **given))

    @staticmethod
    def _each(hand: Hand, change: Any) -> Hand:
        return Hand(change(hand.oracle), change(hand.stored))
