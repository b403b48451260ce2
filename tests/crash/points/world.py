"""What the scenario acts on: a real store, or the oracle that says what must become of it."""

from collections.abc import Sequence
from copy import copy
from datetime import timedelta
from typing import Any

import attrs

from qml import Discard, Job, Qml, RetryPolicy, Snooze, connect
from qml.seam.rows import Lapsed
from qml.storage import batches, servers
from qml.storage.storage import Storage
from qml.storage.urls import Config
from qml.testing import ManualClock, StorageModel
from qml.testing.compare import difference
from qml.values import jsontext
from qml.values.retention import Retention
from qml.values.schedule import Schedule
from qml.values.states import AwaitingRetry, Deleted, Failed, JobState, Succeeded

from . import migrations

RETRY = RetryPolicy(max_retries=2, base=60.0)
RETENTION = Retention(succeeded=1_000, deleted=2_000, failed=3_000)
KEYS = ("ada", "bob", "cy", "dora", "eve")
SNOOZE = 45.0


@attrs.frozen
class Snapshot:
    """All that can be asked of a store, at one moment of its clock. Ids of jobs in the order of
    the answer; ``records``: name, version, content."""

    states: list[str]
    jobs: list[Job]
    counts: list[tuple[str, int]]
    available: list[str]
    lapsed: list[str]
    holders: list[tuple[str, str | None]]
    records: list[tuple[str, int, Any]]
    schedules: list[Schedule]

    def unlike(self, found: "Snapshot") -> str | None:
        """The first difference between this, which was promised, and what was found."""
        missing = [state for state in self.states if state not in found.states]
        others = [state for state in found.states if state not in self.states]
        if missing or others:
            return f"promised: {', '.join(missing)}; found: {', '.join(others)}"
        for field in attrs.fields(Snapshot):
            told = difference(getattr(self, field.name), getattr(found, field.name))
            if told:
                return f"{field.name}: {told}"
        return None


class World:
    """A store in use. ``hands``: jobs as claimed, by id and fence; stale ones, too."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.storage: Any = None
        self.hands: dict[tuple[str, int], Job] = {}

    def claim(
        self, worker: str, limit: int, queues: Sequence[str] | None = None, ahead: int = 0
    ) -> list[Job]:
        """Claim jobs, and keep them in hand."""
        return self.keep(self._claim(worker, limit, queues, ahead))

    def keep(self, jobs: list[Job]) -> list[Job]:
        """Remember jobs as claimed."""
        self.hands.update({(job.id, job.fence): job for job in jobs})
        return jobs

    def issue(self, name: str) -> list[Job]:
        """The jobs of the slots of a schedule that have come."""
        return self.storage.schedules.issue(self.storage.schedules.known(name))

    def hand(self, job_id: str, fence: int = 1) -> Job:
        """A job as it was claimed."""
        return self.hands[job_id, fence]

    def newest(self, job_id: str) -> Job:
        """A job as it was claimed last."""
        return self.hands[max(key for key in self.hands if key[0] == job_id)]

    def _claim(
        self, worker: str, limit: int, queues: Sequence[str] | None, ahead: int
    ) -> list[Job]:
        raise NotImplementedError


class Real(World):
    """A store, opened from its configuration. ``newest``: who opens it has a schema of at least
    this version."""

    def __init__(self, config: Config, clock: ManualClock, newest: int = 0) -> None:
        super().__init__(clock)
        self._config = config
        self._newest = newest

    def open(self, version: int) -> None:
        """Open the store by a qml whose schema has ``version``: once by the store's own clock, as
        in earnest, then by this one."""
        self.close()
        migrations.use(max(version, self._newest))
        connect(self._config).close()
        self.storage = connect(self._config, clock=self.clock, retry=RETRY, retention=RETENTION)

    def close(self) -> None:
        """Let go of the store, if it is open."""
        if self.storage is not None:
            self.storage.close()
            self.storage = None

    def _claim(
        self, worker: str, limit: int, queues: Sequence[str] | None, ahead: int
    ) -> list[Job]:
        return self.storage.claim(worker, limit, queues, ahead=ahead).jobs

    def beat(self, name: str) -> None:
        servers.beat(self.storage, name, {"threads": 3})

    def leave(self, name: str) -> None:
        servers.leave(self.storage, name)

    def expect(self, batch: str, more: bool) -> None:
        batches.expect(self.storage.driver, batch, more)

    def serve(self, threads: int) -> int:
        """One step of a server: claim, run, record."""
        server = self.app().server(threads=threads, name="server")
        server.worker_id = "server"
        return server.step()

    def app(self, *, snoozing: bool = True) -> Qml:
        """The tasks of the scenario. One of them puts itself off for as long as ``snoozing``."""
        app = Qml(self.storage)

        @app.task(name="fine")
        def fine(value: Any) -> Any:
            return value

        @app.task(name="fails")
        def fails(value: Any) -> None:
            raise ValueError("no")

        @app.task(name="snoozes")
        def snoozes(value: Any) -> None:
            if snoozing:
                raise Snooze(SNOOZE)

        @app.task(name="follows")
        def follows(job_id: str, error: str) -> str:
            return job_id

        @app.task(name="discards")
        def discards(value: Any) -> None:
            raise Discard("not needed")

        return app

    def look(self) -> Snapshot:
        """Ask the store for everything."""
        storage: Storage = self.storage
        lapsed = storage.driver.scan(Lapsed(storage.clock.micros(), 1_000))
        jobs = [plain(job) for job in storage.list()]
        return Snapshot(
            [f"{job.id} {job.state.kind}" for job in jobs],
            jobs,
            [(kind.value, number) for kind, number in storage.get_job_counts().items()],
            [job.id for job in storage.get_available_jobs()],
            [row.id for row in lapsed],
            [(key, storage.driver.holder(key)) for key in KEYS],
            [(r.name, r.version, jsontext.loads(r.body)) for r in storage.driver.list("server/")],
            storage.schedules.list(),
        )


class Oracle(World):
    """The naive model of qml.testing, and of a server's records. ``parts``: this oracle as it was
    while a step was under way that is no single atomic one."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.storage: StorageModel = StorageModel(self.clock, RETRY, RETENTION)
        self.parts: list[Oracle] = []
        self._records: dict[str, tuple[int, Any]] = {}

    def between(self) -> None:
        """One atomic part of a step is done, and another follows."""
        self.parts.append(self.copy())

    def copy(self) -> "Oracle":
        """The same, for another to go on with."""
        other = Oracle()
        other.clock.advance((self.clock.now() - other.clock.now()).total_seconds())
        other.storage.entries = [copy(entry) for entry in self.storage.entries]
        other.storage.seqs = self.storage.seqs
        other.storage.schedules._known = self.storage.schedules._known.copy()
        for shared in ("tallies", "times", "paused"):
            getattr(other.storage, shared).update(getattr(self.storage, shared))
        other.hands = self.hands.copy()
        other._records = self._records.copy()
        return other

    def open(self, version: int) -> None:
        """Opening changes nothing that can be asked for."""

    def close(self) -> None:
        """Nor does closing."""

    def _claim(
        self, worker: str, limit: int, queues: Sequence[str] | None, ahead: int
    ) -> list[Job]:
        return self.storage.fetch_available_jobs_atomic(worker, limit + ahead, queues)

    def beat(self, name: str) -> None:
        """A sign of life; then those who gave none for ten minutes are struck off, one by one."""
        now = self.clock.micros()
        known = self._records.get(f"server/{name}", (0, None))
        body = {"threads": 3, "seen_at": now}
        self._records[f"server/{name}"] = (known[0] + 1, body)
        for other, (_, facts) in sorted(self._records.items()):
            if now - facts["seen_at"] > servers.FORGOTTEN_AFTER:
                self.between()
                del self._records[other]

    def leave(self, name: str) -> None:
        self._records.pop(f"server/{name}", None)

    def expect(self, batch: str, more: bool) -> None:
        self.storage.expect(batch, more)

    def serve(self, threads: int) -> int:
        """A claim; what is handed back, job by job; all outcomes in one step."""
        jobs = self.claim("server", threads)
        outcomes = [(job, self._outcome(job)) for job in jobs]
        for job, state in outcomes:
            if state is None:
                self.between()
                self.storage.release(job, SNOOZE)
        ends = [(job, state) for job, state in outcomes if state is not None]
        if ends:
            self.between()
            self.storage.finish_many(ends)
        return len(jobs)

    def _outcome(self, job: Job) -> JobState | None:
        if job.method == "snoozes":
            return None
        if job.method == "discards":
            return Deleted(self.storage.now(), "not needed")
        if job.method == "fine":
            return Succeeded(self.storage.now(), result=job.arguments[0])
        now, told = self.storage.now(), "ValueError: no"
        if job.attempt >= (job.max_attempts or 1):
            return Failed(now, told, "", job.attempt - 1)
        retry_at = now + timedelta(seconds=RETRY.delay(job.attempt))
        return AwaitingRetry(now, retry_at, job.attempt, told)

    def look(self) -> Snapshot:
        """What a store in this state must answer."""
        model, now = self.storage, self.storage.now()
        lapsed = [e.job for e in model.entries if e.is_processing and not e.held_at(now)]
        lapsed.sort(key=lambda job: (job.lease_expires_at, job.seq))
        holders = {e.job.unique_key: e.job.id for e in model.entries if e.holds_key}
        jobs = [plain(job) for job in model.list()]
        return Snapshot(
            [f"{job.id} {job.state.kind}" for job in jobs],
            jobs,
            [(kind.value, number) for kind, number in model.get_job_counts().items()],
            [job.id for job in model.get_available_jobs()],
            [job.id for job in lapsed],
            [(key, holders.get(key)) for key in KEYS],
            [(name, *record) for name, record in sorted(self._records.items())],
            model.schedules.list(),
        )


def plain(value: Any) -> Any:
    """A job without what no oracle can know: how long a task ran, where in a file it failed."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, Job):
        return value
    state = value.state
    if isinstance(state, Succeeded):
        state = attrs.evolve(state, total_duration_ms=0.0)
    elif isinstance(state, Failed):
        state = attrs.evolve(state, stack_trace="")
    failures = tuple(attrs.evolve(failure, traceback="") for failure in value.failures)
    return attrs.evolve(value, state=state, failures=failures)
