"""Storages broken in what concerns limits, queues, batches and chains, in a point each."""

import attrs

from qml import Enqueued, Job
from qml.seam import lanes
from qml.seam.rows import Available, Move, Rewrite
from qml.storage.storage import Storage
from qml.testing import StorageModel
from qml.testing.table import Table
from qml.values.states import WAITING
from tests.testing.faults import Driver

# -- limits --------------------------------------------------------------------------------------


class LimitCountsTheLapsed(StorageModel):
    """A worker that died holds its permit until somebody rescues its job."""

    def _live_keys(self):
        return [entry.job.concurrency_key for entry in self.entries if entry.running]


class LimitIsOfAQueue(Driver):
    """The same key in another queue is another."""

    def insert(self, rows, *beside):
        return super().insert([self.split(row) for row in rows], *beside)

    def split(self, row):
        if row.permit is None:
            return row
        permit = f"{row.queue}/{row.permit}"
        lane = lanes.encode(lanes.decode(row.lane)._replace(permit=permit))
        return row._replace(permit=permit, lane=lane)


class PermitOfTheDeletedIsKept(StorageModel):
    """Permits are counted up and down, and one way to end was forgotten."""

    kept = ()

    def _drop(self, gone):
        self.kept += tuple(entry.job.concurrency_key for entry in gone if entry.running)
        super()._drop(gone)

    def _live_keys(self):
        return [*super()._live_keys(), *self.kept]


class PermitOfTheCancelledIsFree(StorageModel):
    """While its run goes on."""

    def _live_keys(self):
        now = self.now()
        return [e.job.concurrency_key for e in self.entries if e.is_processing and e.held_at(now)]


class LimitKeepsBackAll(StorageModel):
    """A full key hides what is behind it."""

    def _let_through(self, entries, limit=None):
        found = []
        for entry in entries:
            if limit is not None and len(found) >= limit:
                break
            if super()._let_through([*found, entry]) != [*found, entry]:
                break
            found.append(entry)
        return found


class TheLapsedComeBack(StorageModel):
    """A renewal does not ask whether another has the permit by now."""

    def _may_live_again(self, entry):
        return True


class ALockAsksForNoPermit(Driver):
    """One over a lapsed claim."""

    def hold(self, holds):
        return [
            super(Driver, self).hold([self.unlimited(one) if one.fence is None else one])[0]
            for one in holds
        ]

    def unlimited(self, hold):
        row = self.row(hold.id)
        if row is not None and row.permit is not None and row.state == "processing":
            self._table.replace(row._replace(permit=None))
        return hold


class RateForgetsItsTime(StorageModel):
    """What was given out ahead of now: each start counts from now on."""

    def _start(self, entry, times):
        times.pop(entry.job.rate_key, None)
        super()._start(entry, times)


class ARetryIsNoStart(StorageModel):
    def _start(self, entry, times):
        if not entry.job.failures:
            super()._start(entry, times)


class BurstIsNotAsked(StorageModel):
    def _opens_at(self, job, times):
        return 0 if job.rate is None else times.get(job.rate_key, 0)


# -- queues --------------------------------------------------------------------------------------


class PausedIsClaimedByName(Driver):
    """A claim that names its queues asks for no pause."""

    def claim(self, claim):
        paused = set(self._paused)
        if claim.queues is not None:
            self._paused.clear()
        taken = super().claim(claim)
        self._paused |= paused
        return taken


class AvailableShowsThePaused(Driver):
    def scan(self, query):
        paused = set(self._paused)
        if isinstance(query, Available):
            self._paused.clear()
        found = super().scan(query)
        self._paused |= paused
        return found


class APauseBeginsAnew(Storage):
    """Each time it is asked for."""

    @property
    def queues(self):
        found, pause = super().queues, super().queues.pause

        def anew(name):
            found.resume(name)
            pause(name)

        found.pause = anew
        return found


# -- batches, and what comes after ---------------------------------------------------------------


class ABatchIsOverTwice(StorageModel):
    """What comes after it is enqueued whenever it is over."""

    def _add(self, name, left, failed):
        was = name in self.tallies
        super()._add(name, left, failed)
        if was and name not in self.tallies:
            for entry in self._pick(lambda one: one.ties.awaits == name and one.ties.ended_as):
                entry.change(state=Enqueued(self.now(), entry.job.queue))
                self._settle(entry)


class ABatchIsOverTooSoon(StorageModel):
    """When one is left."""

    def _add(self, name, left, failed):
        early = left < 0 and name in self.tallies and self.tallies[name].left == 2
        super()._add(name, left - early, failed)


class AnOpenBatchIsOver(StorageModel):
    """When all that it has by now have ended."""

    def _add(self, name, left, failed):
        if left < 0 and name in self.tallies:
            self.tallies[name] = self.tallies[name]._replace(open=False)
        super()._add(name, left, failed)


class AnEmptyBatchIsNeverOver(StorageModel):
    def expect(self, batch, more):
        before = self.tallies.get(("batch", batch))
        if more or before is None or before.left:
            super().expect(batch, more)
        else:
            self.tallies["batch", batch] = before._replace(open=False)


class AFailureDoesNotCancel(StorageModel):
    def _wake(self, entry, failed):
        super()._wake(entry, 0)


class AFailureBeforeDoesNotCancel(StorageModel):
    """One that had failed already."""

    def _come_after(self, entry, ids):
        super()._come_after(entry, ids)
        if entry.ties.woken:
            entry.job = attrs.evolve(entry.job, expires_at=None)


class ARetryDoesNotTakeTheEndBack(StorageModel):
    def _count(self, entry):
        if entry.ties.ended_as is None or entry.job.state.kind not in WAITING:
            super()._count(entry)


class ADeletedJobIsWaitedFor(StorageModel):
    """For ever."""

    def _drop(self, gone):
        Table._drop(self, gone)


class ARepeatedEndCounts(StorageModel):
    def _repeated(self, entry, job, state):
        answer = super()._repeated(entry, job, state)
        if isinstance(answer, Job) and entry.ties.ended_as is not None:
            self._add_all(entry, -1, 0)
        return answer


class AnUpdateWakes(Driver):
    """A job that waits for others falls due by the next update of its record."""

    def change(self, change):
        if isinstance(change, Rewrite) and change.row.awaits and change.row.state == "scheduled":
            return change._replace(row=change.row._replace(due_at=change.row.created_at))
        return change


class AFilterForgetsTheBatch(Storage):
    def count(self, where):
        return super().count(attrs.evolve(where, batch=None))


class NothingFollowsASuccess(Driver):
    def change(self, change):
        succeeds = isinstance(change, Move) and change.state == "succeeded"
        return change._replace(then=()) if succeeds else change


class TheResultIsNotPassedOn(StorageModel):
    def _follow(self, job, after):
        kept = {name: value for name, value in after.kwargs.items() if name != "result"}
        super()._follow(job, attrs.evolve(after, kwargs=kept))


class AChainHasTwoLinks(StorageModel):
    def _follow(self, job, after):
        super()._follow(job, attrs.evolve(after, on_success=None))


SELDOM_MET = {
    "ABatchIsOverTooSoon",
    "AvailableShowsThePaused",
    "PausedIsClaimedByName",
    "ARetryIsNoStart",
    "AnEmptyBatchIsNeverOver",
    "APauseBeginsAnew",
    "AFilterForgetsTheBatch",
    "PermitOfTheDeletedIsKept",
    "PermitOfTheCancelledIsFree",
    "TheLapsedComeBack",
    "ALockAsksForNoPermit",
    "RateForgetsItsTime",
    "AFailureBeforeDoesNotCancel",
    "ARetryDoesNotTakeTheEndBack",
    "ARepeatedEndCounts",
    "AnUpdateWakes",
    "NothingFollowsASuccess",
    "TheResultIsNotPassedOn",
    "AChainHasTwoLinks",
}
"""Faults for which the machine needs a hundred lives and more, which the ordinary run has no time
for; each of them is found by a check."""

FAULTS = [
    value
    for value in vars().copy().values()
    if isinstance(value, type) and value.__module__ == __name__
]
