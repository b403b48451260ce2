"""Storages broken in what concerns expiry, notes, followers, bulk and schedules, a point each."""

import attrs

from qml import Succeeded
from qml.seam.codec import decode_job
from qml.seam.rows import Available, Expired, Move, Overdue, Page, Verdict
from qml.storage import rules
from qml.storage.schedules import Schedules
from qml.storage.storage import Storage
from qml.testing import StorageModel
from tests.testing.faults import Driver

# -- expiry --------------------------------------------------------------------------------------


class ExpireIsLate(Driver):
    """By a microsecond."""

    def scan(self, query):
        return super().scan(
            query._replace(now=query.now - 1) if isinstance(query, Expired) else query
        )


class ClaimStartsWhatExpiresNow(Driver):
    """``expires_at < now``, where it should be ``<=``."""

    def claim(self, claim):
        rows, due = super().claim(claim)
        return [row._replace(expires_at=self.late(row, claim.now)) for row in rows], due

    def late(self, row, now):
        return now + 1 if row.expires_at == now else row.expires_at


class ClaimStartsWhatHasExpired(StorageModel):
    def _expire(self, entry, **fields):
        if not fields:
            super()._expire(entry)


class AvailableShowsTheExpired(Storage):
    def get_available_jobs(self, limit=None):
        return [decode_job(row) for row in self.driver.scan(Available(self.clock.micros(), limit))]


class TheExpiredHideOthers(Storage):
    """A page is full of them, and nobody looks further."""

    def get_available_jobs(self, limit=None):
        now = self.clock.micros()
        jobs = map(decode_job, self.driver.scan(Available(now, limit)))
        return [job for job in jobs if not rules.is_expired(job, now)]


class OwnRetentionIsForgotten(Driver):
    def change(self, change):
        return change._replace(purge_at=None) if isinstance(change, Move) else change


class OwnRetentionIsEarly(Driver):
    """By a microsecond."""

    def erase(self, target, limit):
        early = isinstance(target, Overdue)
        return super().erase(target._replace(by=target.by + 1) if early else target, limit)


# -- notes ---------------------------------------------------------------------------------------


class NotesAreTakenFromAnybody(Driver):
    def hold(self, holds):
        return super().hold([self.forced(hold) for hold in holds])

    def forced(self, hold):
        row = self.row(hold.id)
        if row is None or hold.notes is None or not self.is_his(row, hold):
            return hold
        return hold._replace(seq=None, worker=row.worker, fence=row.fence)

    def is_his(self, row, hold):
        return True


class NotesAskForTheWorkerAlone(NotesAreTakenFromAnybody):
    """So a worker that claimed a job again is written over by its own older run."""

    def is_his(self, row, hold):
        return row.worker == hold.worker


class NotesAreWrittenWithoutALease(Driver):
    """They are kept, and what holds the job is not asked to hold it longer."""

    def hold(self, holds):
        leases = {hold.id: row.lease_until for hold in holds if (row := self.row(hold.id))}
        short = [
            hold if hold.notes is None else hold._replace(until=leases.get(hold.id) or hold.until)
            for hold in holds
        ]
        return super().hold(short)


class NotesOfTheCancelledAreWritten(StorageModel):
    def _note(self, job, notes, lease_seconds):
        done = super()._note(job, notes, lease_seconds)
        if done and notes is not None:
            entry = self._find(job.id)
            entry.job = attrs.evolve(entry.job, notes=notes)
        return done


class NotesRaiseTheVersion(StorageModel):
    def _note(self, job, notes, lease_seconds):
        done = super()._note(job, notes, lease_seconds)
        if done and notes is not None:
            self._find(job.id).change()
        return done


class UpdateWritesNotes(StorageModel):
    def update(self, job):
        super().update(job)
        entry = self._find(job.id)
        entry.job = attrs.evolve(entry.job, notes=job.notes)
        return entry.job


# -- what follows --------------------------------------------------------------------------------


class AStaleEndIsFollowed(Driver):
    """What follows is enqueued, whatever becomes of the end."""

    def swap(self, changes):
        verdicts = super().swap(changes)
        for change, verdict in zip(changes, verdicts, strict=True):
            if isinstance(change, Move) and verdict is not Verdict.DONE:
                super().insert([row for row in change.then if self.row(row.id) is None])
        return verdicts


class NothingFollows(Driver):
    def change(self, change):
        return change._replace(then=()) if isinstance(change, Move) else change


class RescueIsNotFollowed(Driver):
    def change(self, change):
        rescues = isinstance(change, Move) and change.lapsed_by is not None
        return change._replace(then=()) if rescues else change


class EveryEndIsFollowed(StorageModel):
    """A success, too."""

    def _end(self, entry, state, **fields):
        super()._end(entry, state, **fields)
        if isinstance(state, Succeeded) and entry.job.on_failure is not None:
            self._follow(entry.job, attrs.evolve(entry.job.on_failure, arguments=["", ""]))


class AFollowerIsOfTheJob(StorageModel):
    """Its id is the same for each failure of a job, so that the second has none."""

    def _follow(self, job, after):
        super()._follow(attrs.evolve(job, fence=0), after)


# -- bulk ----------------------------------------------------------------------------------------


class CancelManyTakesWhatHasEnded(Storage):
    def cancel_many(self, where, reason=None):
        states = where.states
        if states is None:
            states = ["enqueued", "scheduled", "awaiting_retry", "processing", "succeeded"]
        return super().cancel_many(attrs.evolve(where, states=states), reason)


class DeleteManyIgnoresTheAge(Storage):
    def delete_many(self, where):
        return super().delete_many(attrs.evolve(where, older_than=None))


class CountSeesColumnsOnly(Storage):
    def count(self, where):
        page = Page(where.states, where.queue, where.method)
        return sum(self.driver.count(page, "state").values())


class SelectStopsAtAPage(Storage):
    """That of which no job fits."""

    def select(self, where):
        for job in super().select(attrs.evolve(where, metadata={})):
            if not where.passes(job, self.clock.micros()):
                return
            yield job


class CancelManyFreesNoKeys(Driver):
    def swap(self, changes):
        if len(changes) > 1 and all(getattr(c, "state", "") == "deleted" for c in changes):
            changes = [change._replace(key_held=None) for change in changes]
        return super().swap(changes)


# -- schedules -----------------------------------------------------------------------------------


class Timed(Storage):
    """A storage whose schedules are broken in one point."""

    timetable: type[Schedules]

    @property
    def schedules(self):
        return self.timetable(self.driver, self.clock, self.limits, self.hooks)


class AnIssueGoesByAStaleLook(Timed):
    """The record's guard is not asked."""

    class timetable(Schedules):
        def issue(self, known):
            current = self.known(known.schedule.name)
            if current is None:
                return []
            self.known = lambda name: believed
            believed = known._replace(version=current.version)
            return super().issue(believed)


class TheSlotMovesFirst(Driver):
    """In a step of its own, so that it has moved when the job cannot be stored."""

    def insert(self, rows, record=None, parents=()):
        if record is None:
            return super().insert(rows, None, parents)
        moved = self.write(record.name, record.body, record.expected) is Verdict.DONE
        return super().insert(rows) if moved else super().insert([], record)


class TheSlotDoesNotMove(Driver):
    """The job is enqueued, and the record is forgotten."""

    def insert(self, rows, record=None, parents=()):
        return super().insert(rows, None, parents)


class AddingAgainStartsAnew(Timed):
    class timetable(Schedules):
        def put(self, schedule):
            self.remove(schedule.name)
            return super().put(schedule)


class AChangedRuleKeepsItsPlace(Timed):
    class timetable(Schedules):
        def put(self, schedule):
            known = self.get(schedule.name)
            new = super().put(schedule)
            if known is None or known.rule == new.rule:
                return new
            return self._apply(new.name, lambda s: attrs.evolve(s, next_slot=known.next_slot))


class AddingAgainEndsAPause(Timed):
    class timetable(Schedules):
        def put(self, schedule):
            super().put(schedule)
            return self.resume(schedule.name)


class AResumeMakesUp(Timed):
    class timetable(Schedules):
        def resume(self, name):
            return self._apply(name, lambda known: attrs.evolve(known, paused=False))


class OverlapIsNotAsked(Timed):
    class timetable(Schedules):
        def _running(self, schedule):
            return None


class EveryMissedSlotIsIssued(Timed):
    class timetable(Schedules):
        def add(self, name, rule, job, **options):
            return super().add(name, rule, job, **{**options, "catch_up": "all"})

        def put(self, schedule):
            return super().put(attrs.evolve(schedule, catch_up="all"))


class ATriggerMovesThePlace(Timed):
    class timetable(Schedules):
        def trigger(self, name):
            job = super().trigger(name)
            self._apply(name, lambda s: attrs.evolve(s, last_job=job.id, last_slot=job.slot))
            return job


class TheSlotIsWhenItWasIssued(Timed):
    class timetable(Schedules):
        def _step(self, known, following, jobs, why):
            late = [attrs.evolve(job, slot=self._now()) for job in jobs]
            return super()._step(known, following, late, why)


SELDOM_MET = {
    "NotesAreTakenFromAnybody",
    "NotesAskForTheWorkerAlone",
    "ClaimStartsWhatExpiresNow",
    "EveryEndIsFollowed",
    "AddingAgainEndsAPause",
    "ExpireIsLate",
    "OwnRetentionIsEarly",
    "NotesOfTheCancelledAreWritten",
    "UpdateWritesNotes",
    "CancelManyTakesWhatHasEnded",
    "CancelManyFreesNoKeys",
    "DeleteManyIgnoresTheAge",
    "SelectStopsAtAPage",
    "AResumeMakesUp",
    "OverlapIsNotAsked",
    "TheSlotMovesFirst",
}
"""Faults for which the machine needs a hundred lives and more, which the ordinary run has no time
for; each of them is found by a check."""

FAULTS = [
    value
    for value in vars().copy().values()
    if isinstance(value, type)
    and value.__module__ == __name__
    and value not in (Timed,)
    and issubclass(value, (Driver, Storage, StorageModel))
]
