"""Storages that are right while hands take turns, each with a gap between two driver calls."""

import json
from collections import Counter

import attrs

from qml import Failed, UniqueKeyTaken
from qml.drivers.memory import MemoryDriver, claiming
from qml.seam.codec import decode_job
from qml.seam.grouping import batch_tally
from qml.seam.rows import (
    PROCESSING,
    Expired,
    Hold,
    Inserted,
    Lapsed,
    Move,
    Obstacle,
    Page,
    Rewrite,
    Verdict,
    Write,
    as_claimed,
    holdable,
    holder,
    is_free,
)
from qml.seam.schedules import encode
from qml.storage import changes, claims, conflicts, rules, selecting, storing
from qml.storage.schedules import PREFIX, Schedules, issued, slot_id
from qml.storage.storage import Storage

ANY = -1
LEASE = 30_000_000


class Unguarded(MemoryDriver):
    """Told ANY version, fence or worker it asks for none, as ``UPDATE … WHERE id = …`` does."""

    def __init__(self):
        super().__init__(None)

    def swap(self, changes):
        with self.lock:
            return [super(Unguarded, self).swap([self.loose(one)])[0] for one in changes]

    def loose(self, change):
        row = self._table.get(id_of(change))
        if change.version != ANY or row is None:
            return change
        if isinstance(change, Rewrite):
            change = change._replace(row=change.row._replace(version=row.version + 1))
        return change._replace(seq=None, version=row.version)

    def hold(self, holds):
        with self.lock:
            return [self.seize(one) for one in holds]

    def seize(self, hold):
        row = self._table.get(hold.id)
        if hold.fence != ANY or row is None:
            return super().hold([hold])[0]
        if row.state != PROCESSING:
            row = row._replace(locked_by=hold.worker)
        self._table.replace(row._replace(lease_until=hold.until))
        return Verdict.DONE

    def let_go(self, job_id, worker, *rest):
        with self.lock:
            row = self._table.get(job_id)
            worker = holder(row) if worker == ANY and row else worker
            return super().let_go(job_id, worker, *rest)

    def take_key_from(self, job_id):
        self._table._keys.pop(self._table.get(job_id).unique_key, None)


class InsertAsksForNoKey(Unguarded):
    """The last who stores a key has it."""

    def insert(self, rows, *beside):
        with self.lock:
            answer = super().insert(rows, *beside)
            if [obstacle.by for obstacle in answer.obstacles] == ["key"]:
                self.take_key_from(answer.obstacles[0].holder)
                answer = super().insert(rows, *beside)
            return answer


class SwapAsksForNoKey(Unguarded):
    """The last who writes a key has it."""

    def swap(self, changes):
        with self.lock:
            verdicts = super().swap(changes)
            if verdicts == [Verdict.TAKEN]:
                self.take_key_from(id_of(changes[0]))
                verdicts = super().swap(changes)
            return verdicts


class Gap:
    """What a storage's rules see of its driver when their change is written without a guard."""

    def __init__(self, driver):
        self.driver = driver

    def __getattr__(self, verb):
        return getattr(self.driver, verb)

    def load(self, ids):
        rows = self.driver.load(ids)
        [self.read] = rows
        return rows

    def swap(self, changes):
        return self.driver.swap([self.changed(one) for one in changes])

    def changed(self, change):
        return change._replace(version=ANY)


class Hopeful(Gap):
    """Writes with its guard, and does not look what came of it."""

    def swap(self, changes):
        self.driver.swap(changes)
        return [Verdict.DONE for _ in changes]


class LooksForTheKey(Gap):
    """Asks who has the key, then inserts."""

    def insert(self, rows, *beside):
        [row] = rows
        other = self.driver.holder(row.unique_key) if row.unique_key else None
        if other is None or self.driver.load([row.id]) != [None]:
            return self.driver.insert(rows, *beside)
        return Inserted([], [Obstacle(0, "key", other)])

    def changed(self, change):
        return change


class Broken(Storage):
    """A storage over a driver that does without a guard when told so."""

    driver_of = Unguarded

    def __init__(self, clock):
        super().__init__(self.driver_of(), clock=clock)

    def read(self, job_id):
        [row] = self.driver.load([job_id])
        return row

    def place(self, driver, job, on_conflict):
        now, limits = self.clock.micros(), self.limits
        if on_conflict == "raise":
            return storing.enqueue_many(driver, [job], now, limits)[0]
        return conflicts.Placing(driver, now, limits).place([job], on_conflict)[0]

    def runs(self, job):
        """Whether the claim may end the job, for all that can be seen now."""
        row = self.read(job.id)
        return row is not None and claims.is_same_claim(row, job) and row.state == PROCESSING

    def end(self, job, rule):
        newest = claims._on_newest(job, self.read(job.id))
        move, state = rule(newest)
        self.driver.swap([move._replace(version=ANY)])
        return rules.after(newest, move, state)


class ClaimTakesTwoCalls(Broken):
    """The best jobs are looked for, then taken by their ids."""

    def claim(self, worker_id, limit, queues=None, **options):
        now = self.clock.micros()
        order = claims.order(
            worker_id, queues, now=now, lease=LEASE, limits=(limit, 0), server_name=""
        )
        rows = [row for row in reversed(self.driver.scan(Page())) if may_take(row, order)]
        taken = [as_claimed(row, order, 0) for row in rows[:limit]]
        jobs = self.take(taken) if taken else []
        return claims.Batch([decode_job(row) for row in jobs], None)

    def take(self, rows):
        self.driver.swap([Rewrite(None, ANY, row, False, True) for row in rows])
        return rows


class ClaimForgetsLocks(ClaimTakesTwoCalls):
    """The same, guarded by the version, which a lock does not raise."""

    def take(self, rows):
        orders = [Rewrite(row.seq, row.version - 1, row, False, True) for row in rows]
        verdicts = self.driver.swap(orders)
        return [row for row, one in zip(rows, verdicts, strict=True) if one is Verdict.DONE]


class FinishChecksThenWrites(Broken):
    def finish_many(self, outcomes):
        return [self.finish_one(*outcome) for outcome in outcomes]

    def finish_one(self, job, state, failure=None):
        rules.check_outcome(job, state)
        if not self.runs(job):
            return super().finish_many([(job, state, failure)])[0]
        now = self.clock.micros()
        return self.end(job, lambda newest: rules.finish(newest, state, failure, now))


class ReleaseChecksThenWrites(Broken):
    def release_many(self, jobs, delay=None):
        [job] = jobs
        if not self.runs(job):
            return super().release_many(jobs, delay)
        now = self.clock.micros()
        return [self.end(job, lambda newest: rules.release(newest, None, now))]


class RenewChecksThenExtends(Broken):
    def renew(self, jobs, lease_seconds=None):
        return [self.renew_one(job, lease_seconds) for job in jobs]

    def renew_one(self, job, lease_seconds):
        if not self.runs(job):
            return super().renew([job], lease_seconds)[0]
        now = self.clock.micros()
        until = now + int((lease_seconds or 30) * 1_000_000)
        self.driver.hold([Hold(job.id, None, job.state.worker_id, ANY, now, until)])
        return True


class RescueByWhatItSaw(Broken):
    """Leases are looked at, then jobs taken by their ids."""

    def rescue(self, limit=1000):
        now = self.clock.micros()
        jobs = [decode_job(row) for row in self.driver.scan(Lapsed(now, limit))]
        planned = [rules.rescue(job, False, self.retry_policy, now) for job in jobs]
        verdicts = self.driver.swap([self.loose(move) for move, _ in planned]) if planned else []
        return [
            rules.after(job, move, state)
            for job, (move, state), verdict in zip(jobs, planned, verdicts, strict=True)
            if self.is_done(verdict)
        ]

    def loose(self, move):
        return move._replace(version=ANY, lapsed_by=None)

    def is_done(self, verdict):
        return verdict is Verdict.DONE


class RescueForgetsRenewals(RescueByWhatItSaw):
    """Guarded by the version, which a renewal does not raise."""

    def loose(self, move):
        return move._replace(lapsed_by=None)


class RescueTellsWhatItPlanned(RescueByWhatItSaw):
    """Guarded, and whoever got away is among the rescued all the same."""

    def loose(self, move):
        return move

    def is_done(self, verdict):
        return True


class CancelWritesUnguarded(Broken):
    driver_seen = Gap

    def cancel(self, job_id, reason=None):
        now = self.clock.micros()
        driver = self.driver_seen(self.driver)
        return changes.apply(driver, job_id, lambda job: rules.cancel(job, reason, now))


class CancelTriesOnce(CancelWritesUnguarded):
    """Guarded; when somebody was faster, nothing is cancelled, and nobody told so."""

    driver_seen = Hopeful


class RetryWritesUnguarded(Broken):
    def retry(self, job_id):
        now = self.clock.micros()
        return changes.apply(Gap(self.driver), job_id, lambda job: rules.retry(job, now))


class RetryLooksForTheKey(Broken):
    driver_of = SwapAsksForNoKey

    def retry(self, job_id):
        row = self.read(job_id)
        if row is not None and row.state == "failed":
            other = self.driver.holder(row.unique_key)
            if other not in (None, job_id):
                raise changes.key_taken(decode_job(row), other)
        return super().retry(job_id)


class EnqueueLooksForTheKey(Broken):
    driver_of = InsertAsksForNoKey

    def enqueue(self, job, *, on_conflict="raise"):
        return self.place(LooksForTheKey(self.driver), job, on_conflict)


class EnqueueReplaces(Broken):
    """The id is looked for; then the job is put there, whatever is there."""

    def enqueue(self, job, *, on_conflict="raise"):
        if self.read(job.id) is None and self.driver.holder(job.unique_key) is None:
            self.driver.erase([job.id], 1)
        return super().enqueue(job, on_conflict=on_conflict)


class ReplaceWritesOverWhatItSaw(Broken):
    """The holder is looked at, whether it waits; then it is written over, whatever it does."""

    def enqueue(self, job, *, on_conflict="raise"):
        return self.place(Gap(self.driver), job, on_conflict)


class ExistingIsWhoeverHeldIt(Broken):
    """The holder is told as it is by then, though it may hold the key no more."""

    def enqueue(self, job, *, on_conflict="raise"):
        try:
            return super().enqueue(job)
        except UniqueKeyTaken as taken:
            if on_conflict == "existing" and (held := self.get(taken.job_id)) is not None:
                return held
        return super().enqueue(job, on_conflict=on_conflict)


class UpdateComparesThenWrites(Broken):
    driver_seen = Gap

    def update(self, job):
        driver = self.driver_seen(self.driver)
        return changes.update(driver, job, self.clock.micros(), LEASE, self.max_job_bytes)


class WritesAllColumns(Gap):
    def changed(self, change):
        if not change.keeps_lease:
            return change
        held = {name: getattr(self.read, name) for name in ("worker", "locked_by", "lease_until")}
        return change._replace(keeps_lease=False, row=change.row._replace(**held))


class UpdateWritesTheLeaseItRead(UpdateComparesThenWrites):
    """Guarded by the version, which leases and locks do not raise."""

    driver_seen = WritesAllColumns


class DeleteLooksFirst(Broken):
    def delete(self, job_id):
        there = self.read(job_id) is not None
        self.driver.erase([job_id], 1)
        return there


class PurgeRemovesWhatItSaw(Broken):
    """Old jobs are looked for, then removed by their ids."""

    def purge(self, limit=1000):
        now = self.clock.micros()
        kept = {name: getattr(self.retention, name) for name in ("succeeded", "deleted", "failed")}
        old = [
            row.id
            for row in self.driver.scan(Page(states=tuple(kept)))
            if row.finished_at + kept[row.state] * 1_000_000 <= now
        ]
        return self.driver.erase(old, limit)


class LockLooksThenTakes(Broken):
    def try_acquire_job_lock(self, job_id, worker_id, timeout_seconds):
        row, now = self.read(job_id), self.clock.micros()
        if row is None or row.state == PROCESSING or not is_free(row, now):
            return super().try_acquire_job_lock(job_id, worker_id, timeout_seconds)
        until = now + int(timeout_seconds * 1_000_000)
        return self.driver.hold([Hold(job_id, None, worker_id, ANY, now, until)]) == [Verdict.DONE]


class UnlockChecksThenFrees(Broken):
    """Shows with three hands only: between its two calls the holder has to go and another come."""

    def release_job_lock(self, job_id, worker_id):
        row, now = self.read(job_id), self.clock.micros()
        if row is None or is_free(row, now) or holder(row) != worker_id:
            return False
        return self.driver.let_go(job_id, ANY, now) is Verdict.DONE


class LetsGoWhateverTheWorkerHolds(Unguarded):
    def let_go(self, job_id, worker, now, fence=None):
        return super().let_go(job_id, worker, now)


class StaleFinishEndsALock(Broken):
    """qml's own, until these schedules found it: the end of a cancelled run, whose lease was over,
    took with it the lock that the same worker had just got."""

    driver_of = LetsGoWhateverTheWorkerHolds


# -- time ---------------------------------------------------------------------------------------


class NoteChecksThenWrites(Broken):
    """The lease is asked; then whoever holds the job has the note."""

    def note_many(self, notes, lease_seconds=None):
        job, said = notes[0]
        if said is None or not self.runs(job):
            return super().note_many(notes, lease_seconds)
        newest = self.read(job.id)
        if newest is None or newest.state != PROCESSING:
            return [True]
        now = self.clock.micros()
        held = Hold(job.id, newest.seq, newest.worker, newest.fence, now, now + 45_000_000)
        return [self.driver.hold([held._replace(notes=claims.told(said))]) == [Verdict.DONE]]


class FailureFirstThenWhatFollows(Broken):
    """What follows is enqueued before the end of the run is known to count."""

    def finish_many(self, outcomes):
        [(job, state, *_)] = outcomes
        if isinstance(state, Failed) and job.on_failure is not None and self.runs(job):
            rows = rules.followups(job, rules.stamped(state, self.clock.micros()))
            self.driver.insert(rows)
        return super().finish_many(outcomes)


class ExpireByWhatItSaw(Broken):
    """What has expired is looked for, then ended by its id."""

    def expire(self, limit=1000):
        now = self.clock.micros()
        jobs = [decode_job(row) for row in self.driver.scan(Expired(now, limit))]
        planned = [rules.expire(job, now) for job in jobs]
        moves = [move._replace(version=ANY) for move, _ in planned]
        if moves:
            self.driver.swap(moves)
        return [rules.after(job, *plan) for job, plan in zip(jobs, planned, strict=True)]


class LateClaimsAreLeft(Broken):
    """qml's own, until these schedules found it: where another hand came between a claim and the
    end of what it had come upon too late, nobody ended the claim."""

    def claim(self, worker_id, limit, queues=None, **options):
        now = self.clock.micros()
        order = claims.order(
            worker_id, queues, now=now, lease=LEASE, limits=(limit, 0), server_name=""
        )
        jobs = [decode_job(row) for row in self.driver.claim(order).rows]
        late = [job for job in jobs if rules.is_expired(job, now)]
        if late:
            changes.carry_out(self.driver, [(job, *rules.expire(job, now)) for job in late])
            jobs = [job for job in jobs if job not in late]
            jobs += [decode_job(row) for row in self.driver.claim(order).rows]
        return claims.Batch(jobs, None)


class CancelManyByWhatItSaw(Broken):
    def cancel_many(self, where, reason=None):
        now = self.clock.micros()
        jobs = [job for job in self.select(where) if job.state.kind in selecting.UNFINISHED]
        planned = [rules.cancel(job, reason, now) for job in jobs]
        moves = [move._replace(version=ANY) for move, _ in planned]
        return self.driver.swap(moves).count(Verdict.DONE) if moves else 0


class OwnRetentionByIds(Broken):
    """What is overdue is looked for, then removed by its id."""

    def purge(self, limit=1000):
        now = self.clock.micros()
        rows = self.driver.scan(Page())
        old = [row.id for row in rows if row.purge_at is not None and row.purge_at <= now]
        return self.driver.erase(old, limit) if old else super().purge(limit)


class Recurring(Schedules):
    """With a gap between the look at a schedule and what is written of it."""

    def _slots(self, known):
        schedule, now = known.schedule, self._now()
        slots, following = schedule.due(now)
        jobs = [issued(schedule, slot, now, slot_id(schedule.name, slot)) for slot in slots]
        new = attrs.evolve(schedule, next_slot=following)
        if jobs:
            new = attrs.evolve(new, last_slot=jobs[-1].slot, last_job=jobs[-1].id)
        return jobs, new


class InTwoSteps(Recurring):
    def issue(self, known):
        if self.known(known.schedule.name) != known:
            return []
        jobs, new = self._slots(known)
        stored, _ = storing.insert(self._driver, jobs, self._clock.micros(), self._limits)
        if stored:
            self._write(new, known.version)
        return stored


class Unasked(Recurring):
    def issue(self, known):
        if self.known(known.schedule.name) != known:
            return []
        jobs, new = self._slots(known)
        newest = self._driver.read(PREFIX + new.name)
        write = Write(PREFIX + new.name, encode(new), newest.version if newest else 0)
        stored, _ = storing.insert(self._driver, jobs, self._clock.micros(), self._limits, write)
        return stored


class Careless(Schedules):
    def pause(self, name):
        known = self.known(name)
        if known is None:
            return super().pause(name)
        new = attrs.evolve(known.schedule, paused=True)
        newest = self.known(name)
        self._write(new, newest.version if newest else 0)
        return new


class Slotted(Broken):
    """A storage with such schedules."""

    kind = Schedules

    @property
    def schedules(self):
        return self.kind(self.driver, self.clock, self.limits, self.hooks)


class SlotsThenTheirPlace(Slotted):
    """Jobs are stored, then the schedule's place: what was paused in between has jobs all the
    same."""

    kind = InTwoSteps


class SlotsWithoutAGuard(Slotted):
    """The record is written whatever it is by then."""

    kind = Unasked


class PauseWritesWhatItRead(Slotted):
    """And puts the schedule back to where it was."""

    kind = Careless


# -- together -----------------------------------------------------------------------------------


class TakesPermits(Unguarded):
    """A rewrite that claims a row does to those who lapsed under its permit as a claim does."""

    def swap(self, changes):
        with self.lock:
            verdicts = super().swap(changes)
            for one, verdict in zip(changes, verdicts, strict=True):
                claims_it = isinstance(one, Rewrite) and not one.keeps_lease
                if verdict is Verdict.DONE and claims_it and one.row.permit is not None:
                    claiming.put_back(self._table, one.row.permit, one.row.lease_until - LEASE)
            return verdicts


class LimitIsLookedAtFirst(ClaimForgetsLocks):
    """How many run is asked; then what may start is taken, whoever began meanwhile."""

    driver_of = TakesPermits

    def claim(self, worker_id, limit, queues=None, **options):
        now = self.clock.micros()
        order = claims.order(
            worker_id, queues, now=now, lease=LEASE, limits=(limit, 0), server_name=""
        )
        seqs = [job.seq for job in self.get_available_jobs(limit)]
        rows = {row.seq: row for row in self.driver.scan(Page())}
        best = [as_claimed(rows[seq], order, 0) for seq in seqs if seq in rows]
        jobs = self.take(best) if best else []
        return claims.Batch([decode_job(row) for row in jobs], None)


class PermitIsFreedFirst(Broken):
    """So that the next may start; then the end of the run is written."""

    def finish_many(self, outcomes):
        [(job, *_)] = outcomes
        if self.runs(job):
            claim = (job.seq, job.fence)
            self.driver.let_go(job.id, job.state.worker_id, self.clock.micros(), claim)
        return super().finish_many(outcomes)


class CountsWhenAsked(Unguarded):
    """What is left of a batch is counted from its rows; no finish counts by itself."""

    def __init__(self):
        super().__init__()
        self._table.tallies.changed = self.changed
        self.removed = Counter()

    def changed(self, before, after):
        if after is None or after.state not in ("succeeded", "failed"):
            for name in json.loads(before.counts or "[]"):
                self.removed[name] += after is None and before.finished_at is None
                yield from self.recounted(name)

    def recounted(self, name):
        tallies = self._table.tallies
        known = tallies.get(name)
        if known is not None:
            rows = [row for row in self._table.rows.values() if name in (row.counts or "")]
            failed = sum(row.finished_at is not None and row.state != "succeeded" for row in rows)
            failed += self.removed[name]
            left = sum(row.finished_at is None for row in rows)
            tallies._known[name] = known._replace(left=0, failed=0)
            over = tallies._add(name, left, failed)
            if over:
                del self.removed[name]
            return over
        return []

    def tally(self, name, more=None, failed=None):
        with self.lock:
            tally = super().tally(name, True if more is False else more)
            if more is False and tally is not None:
                self._table.tallies._known[name] = tally._replace(open=False)
                self._table.wake(self.recounted(name))
            return super().tally(name)


class LastIsWhoSeesNoOther(Broken):
    """Each that ends looks whether it is the last of its batch: of the last two, neither is."""

    driver_of = CountsWhenAsked

    def finish_many(self, outcomes):
        [(job, *_)] = outcomes
        if job.batch is None:
            return super().finish_many(outcomes)
        rows = self.driver.scan(Page(batch=job.batch))
        others = [row for row in rows if row.finished_at is None and row.id != job.id]
        done = super().finish_many(outcomes)
        tally = self.driver.tally(batch_tally(job.batch))
        if not others and tally is not None and not tally.open:
            self.driver.tally(batch_tally(job.batch), False)
        return done


class ComesAfterTheEnded(Unguarded):
    """Waits for parents by what was seen of them."""

    seen_to_end = frozenset()

    def insert(self, rows, record=None, parents=()):
        with self.lock:
            known = [self._table.get(parent) for one in parents for parent in one.ids]
            late = [row for row in known if row is not None and row.finished_at is not None]
            late = [row for row in late if row.id not in self.seen_to_end]
            for row in late:
                self._table.rows[row.seq] = row._replace(finished_at=None)
            answer = super().insert(rows, record, parents)
            for row in late:
                stored = self._table.rows[row.seq]
                self._table.rows[row.seq] = stored._replace(finished_at=row.finished_at)
            return answer


class ChildWaitsForWhomItSaw(Broken):
    """Who runs when it is looked at will end later, and wake the child then."""

    driver_of = ComesAfterTheEnded

    def __init__(self, clock):
        super().__init__(clock)
        self.below = self.driver

    def enqueue(self, job, *, on_conflict="raise"):
        parents = [self.read(parent) for parent in job.after]
        ended = [row.id for row in parents if row is not None and row.finished_at is not None]
        self.below.seen_to_end = frozenset(ended)
        return super().enqueue(job, on_conflict=on_conflict)


def id_of(change):
    return change.id if isinstance(change, Move) else change.row.id


def may_take(row, order):
    return (
        row.due_at is not None
        and row.due_at <= order.now
        and holdable(row, order.worker, order.now)
    )


FAULTS = [
    value
    for value in vars().copy().values()
    if isinstance(value, type) and issubclass(value, Broken) and value not in (Broken, Slotted)
]
