"""The claims a server holds, from the claim until its outcome is recorded."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from ..seam.transactions import Transaction
from ..values.clock import Steady
from ..values.errors import JobCancelled, JobLost, JobTimeout
from ..values.job import Job
from .notebook import Notebook

if TYPE_CHECKING:
    from .pool import Pool

_STOP = "; stop here, what it returns is not recorded"


class Writer(Protocol):
    """Who writes down at once what a run has noted. ``lease_seconds``: how long a claim outlives
    its last renewal; ``max_bytes``: how much JSON the steps of a job may return together."""

    lease_seconds: float
    max_bytes: int

    def write_now(self, run: "Run") -> bool:
        """Write it; whether its claim holds the job still. StorageUnavailable."""
        ...


class Run:
    """One claimed job on this server.

    Flags are set by the server and read by the task through ``current_job()``: ``cancelled``: the
    record was deleted meanwhile; ``lost``: the claim holds the job no more; ``overdue``: its time
    limit has passed and its outcome is recorded already. ``ended``: the task has come back.
    ``writer``: who writes its ``notes`` at once; ``pool``: whose threads run it, None when it was
    given to none.
    ``transaction``: what its task has open, if it takes ``tx``; ``ending``: that is to commit now,
    and its success with it.
    """

    __slots__ = (
        "_first_note",
        "_notes",
        "cancelled",
        "claimed_at",
        "deadline",
        "ended",
        "ending",
        "job",
        "lost",
        "overdue",
        "pool",
        "renewed_at",
        "started_at",
        "steady",
        "transaction",
        "writer",
    )

    def __init__(
        self,
        job: Job,
        steady: Steady = time.monotonic,
        claimed_at: float | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.job = job
        self.steady = steady
        self.claimed_at = self.renewed_at = steady() if claimed_at is None else claimed_at
        self._notes: Notebook | None = None
        self._first_note = threading.Lock()
        self.writer = writer
        self.pool: Pool | None = None
        self.transaction: Transaction | None = None
        self.ending = False
        self.started_at: float | None = None
        self.deadline: float | None = None
        self.ended = False
        self.cancelled = False
        self.lost = False
        self.overdue = False

    @property
    def notes(self) -> Notebook:
        """What it says of itself; made when it first does, as few do."""
        with self._first_note:
            if self._notes is None:
                self._notes = Notebook(self.job, self.steady, self.claimed_at)
            return self._notes

    @notes.setter
    def notes(self, notes: Notebook) -> None:
        self._notes = notes

    @property
    def has_news(self) -> bool:
        """Whether it has said something that is not written yet."""
        return self._notes is not None and self._notes.news

    @property
    def unfinished(self) -> bool:
        """Whether its task may still come to something."""
        return not self.ended and not self.overdue

    def start(self) -> None:
        """The task begins; its time limit counts from here."""
        self.started_at = self.steady()
        if self.job.timeout_seconds is not None:
            self.deadline = self.started_at + self.job.timeout_seconds

    def give_up(self) -> None:
        """Undo what its task has open: what it comes to is not recorded, and others wait for it."""
        if self.transaction is not None:
            self.transaction.revoke()

    def duration_ms(self) -> float:
        """Milliseconds since the task began."""
        return 0.0 if self.started_at is None else (self.steady() - self.started_at) * 1000

    def remaining(self) -> float | None:
        """Seconds until its time limit, 0 from then on; None = it has none."""
        return None if self.deadline is None else max(0.0, self.deadline - self.steady())

    def check(self) -> None:
        """JobCancelled, JobTimeout or JobLost, when what the task returns will not be recorded."""
        name = f"job {self.job.id} ({self.job.method})"
        if self.cancelled:
            raise JobCancelled(f"{name} was cancelled while it ran{_STOP}", job_id=self.job.id)
        if self.overdue or self.remaining() == 0:
            raise JobTimeout(f"{name}: {self.too_long()}{_STOP}", job_id=self.job.id)
        if self.lost:
            why = "its claim is over: it was handed back, taken over or removed"
            raise JobLost(f"{name}: {why}{_STOP}", job_id=self.job.id)

    def too_long(self) -> str:
        """What a time limit that has passed is recorded as."""
        return f"attempt {self.job.attempt} ran longer than {self.job.timeout_seconds:g} s"


class Runs:
    """All runs of a server whose outcome is not recorded, and those late beyond their limit.
    ``emptied`` is called whenever none is held any more."""

    def __init__(self, emptied: Callable[[], None] = lambda: None) -> None:
        self._emptied = emptied
        self._lock = threading.Lock()
        self._held: dict[Run, None] = {}
        self._told: set[Run] = set()  # that they are to be handed back
        self._late: dict[str, list[Run]] = {}
        self.late_is_news = False  # since they were last told of
        self._changed = threading.Condition(self._lock)

    def add(self, runs: Iterable[Run]) -> None:
        """These are held from now on."""
        with self._lock:
            self._held.update(dict.fromkeys(runs))

    def remove(self, runs: Iterable[Run]) -> None:
        """The outcomes of these are recorded, or no longer ours to record."""
        with self._lock:
            for run in runs:
                self._held.pop(run, None)
                self._told.discard(run)
            emptied = not self._held
            if emptied:
                self._changed.notify_all()
        if emptied:
            self._emptied()

    def held(self) -> list[Run]:
        """Every run that is held."""
        with self._lock:
            return list(self._held)

    def to_hand_back(self) -> list[Run]:
        """Those that are unfinished, each told once: a stop may come twice at a time."""
        with self._lock:
            found = [run for run in self._held if run.unfinished and run not in self._told]
            self._told.update(found)
            return found

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, run: Run) -> bool:
        return run in self._held

    def wait_until_empty(self, timeout: float) -> bool:
        """Whether nothing is held any more, within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._held, timeout)

    def note_late(self, run: Run) -> None:
        """The thread of this run goes on although its outcome is recorded."""
        with self._lock:
            if not run.ended:  # it may have come back between its replacement and this call
                self._late.setdefault(run.job.id, []).append(run)
                self.late_is_news = True

    def forget_late(self, run: Run) -> None:
        """The late thread has come back."""
        with self._lock:
            late = self._late.get(run.job.id, [])
            if run in late:
                late.remove(run)
                self.late_is_news = True
            if not late:
                self._late.pop(run.job.id, None)

    def is_late_here(self, job: Job) -> bool:
        """Whether an earlier attempt of this job still runs here. It ends as a reason to wait
        when its time limit has passed a second time."""
        if not self._late:
            return False
        with self._lock:
            return any(_is_waited_for(run) for run in self._late.get(job.id, ()))

    def late(self) -> list[Run]:
        """The runs whose threads are late."""
        with self._lock:
            return [run for late in self._late.values() for run in late]


def _is_waited_for(run: Run) -> bool:
    patience = run.job.timeout_seconds or 0.0
    return run.deadline is not None and run.steady() < run.deadline + patience
