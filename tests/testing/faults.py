"""Storages with one guard dropped each: what the machine and the contract suite must find."""

import json

import attrs

from qml import Job, JobLost
from qml.drivers.memory import MemoryDriver
from qml.seam.rows import Available, Finished, Inserted, Lapsed, Move, Page, Verdict
from qml.storage.storage import Storage
from qml.testing import StorageModel
from qml.values.states import Processing

SECOND = 1_000_000


class Driver(MemoryDriver):
    """The memory driver, each of whose subclasses drops one guard."""

    def __init__(self):
        super().__init__(None)

    def row(self, job_id):
        [row] = self.load([job_id])
        return row

    def change(self, change):
        return change

    def swap(self, changes):
        return [
            verdict for one in changes for verdict in super(Driver, self).swap([self.change(one)])
        ]


class FinishGoesByIdAlone(Driver):
    """A finish is taken from anybody."""

    def change(self, change):
        row = self.row(change.id) if isinstance(change, Move) else None
        return change._replace(seq=None, version=row.version) if row else change


class FinishAsksOnlyWhetherItRuns(Driver):
    """A finish is taken while the job runs, whoever's run it is (River)."""

    def change(self, change):
        row = self.row(change.id) if isinstance(change, Move) else None
        runs = row and row.state == "processing"
        return change._replace(version=row.version) if runs else change


class FinishForgetsTheGeneration(Driver):
    """A job deleted and enqueued again under its id is taken for the old one."""

    def change(self, change):
        return change._replace(seq=None)


class KeyIsKeptOnCancel(Driver):
    def change(self, change):
        cancels = isinstance(change, Move) and change.state == "deleted"
        return change._replace(key_held=None) if cancels else change


class CancelEndsTheLease(Driver):
    def change(self, change):
        return change._replace(ends_lease=True) if isinstance(change, Move) else change


class ClaimIsEarly(Driver):
    """By a microsecond."""

    def claim(self, claim):
        return super().claim(claim._replace(now=claim.now + 1))


class ClaimIsLate(Driver):
    """By a microsecond."""

    def claim(self, claim):
        return super().claim(claim._replace(now=claim.now - 1))


class ClaimIgnoresQueues(Driver):
    def claim(self, claim):
        return super().claim(claim._replace(queues=None))


class LeaseLosesFractions(Driver):
    """Leases end at whole seconds."""

    def claim(self, claim):
        return super().claim(claim._replace(lease_until=claim.lease_until // SECOND * SECOND))


class RescueIsLate(Driver):
    """By a microsecond."""

    def scan(self, query):
        return super().scan(
            query._replace(now=query.now - 1) if isinstance(query, Lapsed) else query
        )


class RescueTakesTheLiving(Driver):
    """A lease is not asked, only the state."""

    def scan(self, query):
        return super().scan(query._replace(now=10**17) if isinstance(query, Lapsed) else query)

    def change(self, change):
        return change._replace(lapsed_by=None) if isinstance(change, Move) else change


class AvailableShowsWhatIsNotDue(Driver):
    def scan(self, query):
        if isinstance(query, Available):
            query = query._replace(now=query.now + SECOND)
        return super().scan(query)


class ListIsOldestFirst(Driver):
    def scan(self, query):
        found = super().scan(query)
        return found[::-1] if isinstance(query, Page) else found


class RenewalIgnoresTheFence(Driver):
    """Whoever asks renews."""

    def hold(self, holds):
        return super().hold([self.forced(hold) for hold in holds])

    def forced(self, hold):
        row = self.row(hold.id)
        if row is None or hold.fence is None:
            return hold
        return hold._replace(seq=None, worker=row.worker, fence=row.fence)


class LockHoldsNothing(Driver):
    """A lock is granted and not kept."""

    def hold(self, holds):
        return [
            Verdict.DONE if one.fence is None else super(Driver, self).hold([one])[0]
            for one in holds
        ]


class AnybodyLetsGo(Driver):
    def let_go(self, job_id, worker, now, claim=None):
        row = self.row(job_id)
        return super().let_go(job_id, row.worker if row else worker, now)


class AllDieAtOnce(Storage):
    """Whoever died, everybody's claims are ended."""

    def end_claims(self, worker_id):
        workers = {job.state.worker_id for job in self.list("processing")} - {worker_id}
        return super().end_claims(worker_id) + sum(
            super(AllDieAtOnce, self).end_claims(w) for w in workers
        )


class TheDeadAreWaitedFor(Storage):
    """Until their leases lapse."""

    def end_claims(self, worker_id):
        now = self.now()
        mine = [j for j in self.list("processing") if j.state.worker_id == worker_id]
        return sum(job.lease_expires_at > now for job in mine)


class BatchStoresHalf(Driver):
    """What stands in nobody's way is stored, though the batch is refused."""

    def insert(self, rows, record=None, parents=()):
        if record is not None or parents:
            return super().insert(rows, record, parents)
        answers = [super(Driver, self).insert([row]) for row in rows]
        return Inserted(
            [seq for answer in answers for seq in answer.seqs],
            [obstacle for answer in answers for obstacle in answer.obstacles],
        )


class NumbersBecomeFloats(Driver):
    """As in a store whose JSON knows one kind of number."""

    def insert(self, rows, *beside):
        written = [row._replace(payload=self.written(row.payload)) for row in rows]
        return super().insert(written, *beside)

    def written(self, payload):
        return json.dumps(json.loads(payload, parse_int=lambda text: float(text[:300])))


class KeysAreSorted(Driver):
    """As in jsonb."""

    def insert(self, rows, *beside):
        return super().insert(
            [
                row._replace(metadata=json.dumps(json.loads(row.metadata), sort_keys=True))
                for row in rows
            ],
            *beside,
        )


class PurgeIsEarly(Driver):
    """By a microsecond."""

    def erase(self, target, limit):
        early = isinstance(target, Finished)
        return super().erase(target._replace(by=target.by + 1) if early else target, limit)


class UpdateComparesNothing(Storage):
    """The last writer wins."""

    def update(self, job):
        stored = self.get(job.id)
        return super().update(
            attrs.evolve(job, version=stored.version, seq=None) if stored else job
        )


class CountsLeaveOutZeros(Storage):
    def get_job_counts(self):
        return {kind: count for kind, count in super().get_job_counts().items() if count}


class AvailableShowsTheLocked(StorageModel):
    def get_available_jobs(self, limit=None):
        free = StorageModel(self.clock)
        free.entries = [attrs.evolve(e, holder=None, job=unheld(e.job)) for e in self.entries]
        return free.get_available_jobs(limit)


class ClaimIgnoresLocks(StorageModel):
    def fetch_available_jobs_atomic(self, *arguments, **keywords):
        for entry in self.entries:
            if not entry.is_processing:
                entry.lease(None, None)
        return super().fetch_available_jobs_atomic(*arguments, **keywords)


class ClaimIgnoresPriority(StorageModel):
    def fetch_available_jobs_atomic(self, *arguments, **keywords):
        given = {entry.job.id: entry.job.priority for entry in self.entries}
        self.set_priorities(dict.fromkeys(given, 0))
        taken = super().fetch_available_jobs_atomic(*arguments, **keywords)
        self.set_priorities(given)
        return [self.get(job.id) for job in taken]

    def set_priorities(self, given):
        for entry in self.entries:
            entry.job = attrs.evolve(entry.job, priority=given[entry.job.id])


class ClaimTakesTheLapsed(StorageModel):
    """A lapsed claim is claimed by others at once, its attempts unasked."""

    def fetch_available_jobs_atomic(self, *arguments, **keywords):
        self.rescue()
        return super().fetch_available_jobs_atomic(*arguments, **keywords)


class BatchIsALoopOfOne(StorageModel):
    """Taken from the end of the queue."""

    def fetch_available_jobs_atomic(self, *arguments, **keywords):
        return super().fetch_available_jobs_atomic(*arguments, **keywords)[::-1]


class FenceIsUsedAgain(StorageModel):
    """A claim handed back gives its fence back."""

    def release(self, job, delay=None):
        done = super().release(job, delay)
        entry = self._find(job.id)
        if entry.job == done and done.fence == job.fence:
            entry.job = attrs.evolve(done, fence=done.fence - 1)
        return entry.job


class ReleaseCharges(StorageModel):
    def release(self, job, delay=None):
        done = super().release(job, delay)
        entry = self._find(job.id)
        entry.job = attrs.evolve(done, attempt=max(done.attempt, job.attempt))
        return entry.job


class TakeoverKeepsTheFence(StorageModel):
    """A lock over a lapsed claim leaves the old hand alive."""

    def _take_over(self, entry, worker):
        if isinstance(entry.job.state, Processing):
            entry.claimant = worker
            entry.job = attrs.evolve(
                entry.job, state=attrs.evolve(entry.job.state, worker_id=worker)
            )


class FinishIsNotRepeatable(StorageModel):
    """After a lost reply the worker hears that the job is lost."""

    def _repeated(self, entry, job, state):
        answer = super()._repeated(entry, job, state)
        return JobLost("lost", job_id=job.id) if isinstance(answer, Job) else answer


class RescueHasNoEnd(StorageModel):
    """A job that kills its worker is tried for ever."""

    def _rescue(self, entry):
        allowed = entry.job.max_attempts
        entry.job = attrs.evolve(entry.job, max_attempts=10**6)
        super()._rescue(entry)
        entry.job = attrs.evolve(entry.job, max_attempts=allowed)


class RetryHasNoAttemptLeft(StorageModel):
    """A job retried by hand fails at once, its attempts used up."""

    def retry(self, job_id):
        allowed = self.get(job_id) and self.get(job_id).max_attempts
        super().retry(job_id)
        entry = self._find(job_id)
        entry.job = attrs.evolve(entry.job, max_attempts=allowed)
        return entry.job


class DueJobsLoseTheirPlace(StorageModel):
    """What falls due goes to the end of the queue."""

    def fetch_available_jobs_atomic(self, *arguments, **keywords):
        self.entries.sort(key=lambda entry: entry.job.state.kind == "scheduled")
        return super().fetch_available_jobs_atomic(*arguments, **keywords)


class StateTimesAreTheWorkers(StorageModel):
    """A worker's clock writes the record."""

    def finish(self, job, state, failure=None):
        done = super().finish(job, state, failure)
        entry = self._find(job.id)
        entry.job = attrs.evolve(done, state=state)
        return entry.job


class LocksRaiseTheVersion(StorageModel):
    def try_acquire_job_lock(self, job_id, worker_id, timeout_seconds):
        done = super().try_acquire_job_lock(job_id, worker_id, timeout_seconds)
        if done:
            self._find(job_id).change()
        return done


class RescueAsksOnlyAtTheLook(Driver):
    """A lease that is renewed between the look and the step is ended."""

    def change(self, change):
        return change._replace(lapsed_by=None) if isinstance(change, Move) else change


class UpdateAsksOnlyAtTheLook(Driver):
    """The version is compared with what was read a moment before the write, and not in it."""

    def change(self, change):
        row = None if isinstance(change, Move) else self.row(change.row.id)
        return change._replace(version=row.version) if row else change


class NobodyKnowsWhatIsNext(Driver):
    """A claim never tells when to come again: a burst ends before its retries."""

    def claim(self, claim):
        return super().claim(claim)._replace(next_due=None)


def unheld(job):
    return attrs.evolve(job, lease_expires_at=None)


def made_of(fault):
    """What makes a storage with the fault, for a clock."""
    if issubclass(fault, Driver):
        return lambda clock: Storage(fault(), clock=clock)
    if issubclass(fault, Storage):
        return lambda clock: fault(MemoryDriver(None), clock=clock)
    return fault


SELDOM_MET = {
    "AnybodyLetsGo",
    "KeyIsKeptOnCancel",
    "NobodyKnowsWhatIsNext",
    "PurgeIsEarly",
    "RescueAsksOnlyAtTheLook",
    "RescueIsLate",
    "RetryHasNoAttemptLeft",
    "UpdateAsksOnlyAtTheLook",
}
"""By the machine, which needs a hundred lives and more, or a second hand; a check finds each."""

FAULTS = [
    value
    for value in vars().copy().values()
    if isinstance(value, type) and value.__module__ == __name__ and value is not Driver
]
