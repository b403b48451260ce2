"""What a storage does as part of a transaction: of a caller's, or of one for a task."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from ..seam.driver import Driver
from ..seam.rows import Change, Hold, Inserted, Row, Verdict
from ..seam.transactions import Transaction, Transactional
from ..values.errors import ConfigurationError, JobLost, StorageError
from ..values.job import Job
from ..values.notes import Notes
from ..values.retry import RetryPolicy
from ..values.states import JobState, Processing
from . import checks, claims, events, foreign, rules, storing
from .claiming import Claiming


class Transacting(Claiming):
    """The operations of a storage that others' writes are part of. ``retry_policy``: for jobs that
    have none of their own."""

    retry_policy: RetryPolicy
    _limits: storing.Limits | None = None

    @property
    def limits(self) -> storing.Limits:
        """What a job is held to when it is stored."""
        known, policy, most = self._limits, self.retry_policy, self.max_job_bytes
        if known is None or known.policy is not policy or known.max_bytes != most:
            known = self._limits = storing.Limits(policy, checks.lease(None), most)
        return known

    @property
    def transactional(self) -> bool:
        """Whether jobs can be stored, and tasks succeed, within a transaction."""
        return isinstance(self.driver, Transactional)

    def _transactional(self) -> Transactional:
        if isinstance(self.driver, Transactional):
            return self.driver
        raise ConfigurationError(
            f"{self.driver.describe()} has no transactions that other writes can be part of; "
            "SQLite and PostgreSQL have (sqlite:///..., postgresql://...)"
        )

    def enqueue_in(self, connection: Any, jobs: Iterable[Job]) -> list[Job]:
        """Store all jobs, or none, in the transaction that ``connection`` is in, or begins with
        this: they exist if and only if it commits, and from then on.

        ``connection``: to the database that the jobs are in: of sqlite3 or psycopg2, or a
        SQLAlchemy Connection or Session over one. A refusal (JobAlreadyExists, UniqueKeyTaken)
        leaves the transaction as it was. Nobody is told of an event, since the commit is the
        caller's. ConfigurationError for a connection that would commit elsewhere, or at once; and
        for a job that others wait for, or that waits for others.
        """
        within = cast("Driver", _Insertion(self._transactional(), foreign.raw(connection)))

        def store(given: list[Job]) -> list[Job]:
            for job in given:
                _check_alone(job)
            return storing.enqueue_many(within, given, self.clock.micros(), self.limits)

        return self.hooks.enqueuing(list(jobs), store)

    def begin(self) -> Transaction:
        """A transaction on a connection of its own, for ``finish_in``. ConfigurationError where the
        store has none."""
        return self._transactional().begin()

    def finish_in(
        self, transaction: Transaction, job: Job, state: JobState, notes: Notes | None = None
    ) -> Job | JobLost:
        """``finish`` a claimed job, with its last notes, as part of a transaction, and commit it;
        the stored job. Or a JobLost, and all of the transaction is undone.

        StorageError: it was not committed, or nobody knows; a finish of the same claim in another
        state then decides, since only one of the two can be.
        """
        outcome = claims.Outcome(job, state)
        rules.check_result(job, state, self.max_job_bytes)
        try:
            done = self._end_in(transaction, outcome, notes)
            if isinstance(done, Job):
                self._commit(transaction, done)
        finally:
            transaction.rollback()
        self._told(events.of_ends([outcome], [done]))
        return done

    def _end_in(
        self, transaction: Transaction, outcome: claims.Outcome, notes: Notes | None
    ) -> Job | JobLost:
        now = self.clock.micros()
        job = outcome.job
        if notes is not None and isinstance(job.state, Processing):
            until, texts = now + checks.lease(None), claims.told(notes)
            hold = Hold(job.id, job.seq, job.state.worker_id, job.fence, now, until, texts)
            transaction.hold([hold])  # the finish tells whether the claim holds the job
        within = _Ending(self.driver, transaction)
        [done] = claims.finish_many(cast("Driver", within), [outcome], now)
        if isinstance(done, Job) and not within.done:
            return JobLost(
                f"job {job.id} ({job.method}) was recorded as {done.state.kind} by another hand "
                "before; the transaction of this run is undone",
                job_id=job.id,
            )
        return done

    def _commit(self, transaction: Transaction, done: Job) -> None:
        try:
            transaction.commit()
        except StorageError:
            # The line may have been cut in the middle of the commit.
            [row] = self.driver.load([done.id])
            if row is None or (row.seq, row.version, row.state) != (
                *(done.seq, done.version, done.state.kind.value),
            ):
                raise


def _check_alone(job: Job) -> None:
    """A job of a batch, or after others, counts in a row that they share: it would be locked for
    all of them until the caller commits. ConfigurationError for it, and for what is no job."""
    if not isinstance(job, Job):
        raise ConfigurationError(
            f"{job!r} is no job, and was not enqueued; give a Job, such as task.job(...) makes"
        )
    if job.batch is not None or job.waits:
        what = "to start after others" if job.waits else f"part of batch {job.batch!r}"
        raise ConfigurationError(
            f"job {job.id} ({job.method}) is {what}, and cannot be enqueued in a transaction of "
            "yours, which would hold up all that have to do with it; enqueue it without connection"
        )


class _Insertion:
    """A driver as far as storing new jobs needs one, which stores them in a transaction."""

    def __init__(self, driver: Transactional, connection: Any) -> None:
        self._driver = driver
        self._connection = connection

    def insert(self, rows: Sequence[Row]) -> Inserted:
        return self._driver.insert_in(self._connection, rows)


class _Ending:
    """A driver as far as the end of a claim needs one, whose changes are part of a transaction.
    ``done``: whether a change was carried out."""

    def __init__(self, driver: Driver, transaction: Transaction) -> None:
        self._driver = driver
        self._transaction = transaction
        self.done = False

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        verdicts = self._transaction.swap(changes)
        self.done = verdicts == [Verdict.DONE]
        return verdicts

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        return self._driver.load(ids)

    def let_go(
        self, job_id: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """The end of a cancelled run's lease. Not in the transaction, which is over by that."""
        self._transaction.rollback()
        return self._driver.let_go(job_id, worker, now, claim)
