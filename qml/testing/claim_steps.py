"""The machine's steps of workers: claims, and what the hands that hold them do."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from ..values.notes import NO_NOTES, LogLine, Notes, Progress
from ..values.states import Processing
from .draws import IDS, LEASES, OUTCOMES, POOLS, WORKERS
from .steps import Hand, Several, Steps, claims

WHEN = datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
NOTES = st.sampled_from(
    [
        NO_NOTES,
        Notes(Progress(WHEN, 0.5, "half \0 way 😀")),
        Notes(None, (LogLine(WHEN, 1, "begun"), LogLine(WHEN, 2, ""))),
        Notes(Progress(WHEN, 1, "done"), (LogLine(WHEN, 1, "done"),)),
        Notes(None, (), {"charge": [1, "\0"], "mail": None}),
    ]
)


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

    @rule(claim=claims, notes=NOTES, lease=LEASES, cancelled=st.booleans())
    def note(self, claim: Hand, notes: Notes, lease: float | None, cancelled: bool) -> None:
        """Say something of a run, perhaps of one that was cancelled a moment ago."""
        if cancelled:
            self._both("cancel", claim.oracle.id)
        self._both("note", claim, notes, lease)

    @rule(news=st.lists(st.tuples(claims, st.none() | NOTES), max_size=3))
    def note_many(self, news: list[tuple[Hand, Notes | None]]) -> None:
        """Of several, those of stale claims among them; not all have news."""
        self._both("note_many", news)

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

    @rule(worker=WORKERS)
    def end_claims(self, worker: str) -> None:
        """Say that a worker is dead, which may live."""
        self._both("end_claims", worker)
