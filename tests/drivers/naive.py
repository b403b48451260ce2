"""A driver as the docstrings of the seam say it, and nothing else: a list of rows in the order of
insertion; each verb a comprehension and a sort. It shares no code with the drivers.

Some sentences are left to tests of their own, since few rows at a clock that goes forward cannot
show them: that a thousand rows ripen per claim, what a clock that steps back must not do, and when
exactly a lane opens that was found closed, which is a driver's hint (see ``may_be_next_due``).
"""

import json

from qml.seam.onlooking import Batches, Oldest
from qml.seam.rows import (
    AHEAD,
    KEY_FREE,
    KEY_UNTIL_CLAIMED,
    NEVER_AHEAD,
    After,
    Available,
    Change,
    Claim,
    Claimed,
    Expired,
    Finished,
    Hold,
    Lapsed,
    Move,
    Obstacle,
    Overdue,
    Page,
    Record,
    Row,
    Verdict,
)

from .naive_groups import PAUSED, Lanes, Tallies, dormant, limits, live_leases

DAY = 24 * 3_600 * 1_000_000


def _holds_key(row, key):
    return key is not None and row.unique_key == key and row.key_held != KEY_FREE


def _holder(row):
    return row.worker if row.locked_by is None else row.locked_by


def _held(row, now):
    return row.lease_until is not None and now < row.lease_until


def _lease_ended(row, now):
    return row.lease_until is not None and row.lease_until <= now


class NaiveDriver:
    def __init__(self):
        self.rows: list[Row] = []
        self.records: list[Record] = []
        self.tallies = Tallies()
        self.paces: dict[str, int] = {}
        self._stored = 0

    def insert(self, rows, record=None, parents=()):
        gone = [
            Obstacle(index, "tally", rows[index].awaits)
            for index, ids in parents
            if ids is None and self.tally(rows[index].awaits) is None
        ]
        if gone:
            return gone
        if record is not None:
            known = self.read(record.name)
            if record.expected != (0 if known is None else known.version):
                return [Obstacle(-1, "record", record.name)]
        before = list(self.rows)
        obstacles = []
        new = []
        for index, row in enumerate(rows):
            same_id = [other.id for other in self.rows if other.id == row.id]
            wanted = row.unique_key if row.key_held != KEY_FREE else None
            same_key = [other.id for other in self.rows if _holds_key(other, wanted)]
            if same_id or same_key:
                by = "id" if same_id else "key"
                obstacles.append(Obstacle(index, by, (same_id or same_key)[0]))
            else:
                self._append(row)
                new.append(row)
        self.rows = before
        if obstacles:
            return obstacles
        if record is not None:
            self.write(*record)
        for index, row in enumerate(new):
            after = [parent for one in parents if one.index == index for parent in one.ids or ()]
            self._add(self._after(row, self.load(after)) if after else row)
        return []

    def _after(self, row, parents):
        left = [parent for parent in parents if parent is not None and parent.finished_at is None]
        others = [parent for parent in parents if parent not in left]
        failed = len([one for one in others if one is None or one.state != "succeeded"])
        for parent in left:
            counts = [*json.loads(parent.counts or "[]"), row.awaits]
            self._store(parent._replace(counts=json.dumps(counts)))
        if left:
            self.tallies.wait_for(row.awaits, len(left), failed)
            return row
        return self._woken(row, failed)

    def _woken(self, row, failed):
        return row._replace(due_at=0, expires_at=0 if failed and row.needs_all else row.expires_at)

    def _wake(self, name, failed):
        """``failed`` None: the tally is not over."""
        for row in self.rows if failed is not None else ():
            if row.awaits == name and dormant(row):
                self._store(self._woken(row, failed)._replace(version=row.version + 1))

    def _ended(self, row, left, failed):
        for name in json.loads(row.counts or "[]"):
            self._wake(name, self.tallies.add(name, left, failed))

    def tally(self, name, more=None, failed=None):
        if more:
            self.tallies.make(name)
        if failed is not None and name in self.tallies.counts:
            self.tallies.counts[name] = self.tallies.counts[name]._replace(failed=failed)
        if more is not None and name in self.tallies.counts:
            known = self.tallies.counts[name]
            self.tallies.counts[name] = known._replace(open=more)
            self._wake(name, self.tallies.end(name))
        return self.tallies.counts.get(name)

    def used(self, now, permits, paces):
        live = [len(live_leases(self.rows, permit, now)) for permit in permits]
        return live, [self.paces.get(pace, 0) for pace in paces]

    def _add(self, row):
        self._append(row)
        self.tallies.inserted(row)

    def _append(self, row):
        """Seqs are the driver's to give: until then each has a number that no driver gives."""
        self._stored += 1
        self.rows.append(row._replace(seq=-self._stored))

    def unnumbered(self):
        """The ids of the newest rows, which have no seq yet, in their order."""
        return [row.id for row in self.rows if row.seq < 0]

    def number(self, seqs):
        """Take over the seqs that the driver under test gave to the newest rows."""
        old = len(self.rows) - len(seqs)
        assert [row.seq < 0 for row in self.rows] == [False] * old + [True] * len(seqs)
        self.rows[old:] = [
            row._replace(seq=seq) for row, seq in zip(self.rows[old:], seqs, strict=True)
        ]

    def load(self, ids):
        return [next((row for row in self.rows if row.id == wanted), None) for wanted in ids]

    def holder(self, unique_key):
        return next((row.id for row in self.rows if _holds_key(row, unique_key)), None)

    def _store(self, new):
        self.rows = [new if row.seq == new.seq else row for row in self.rows]

    def swap(self, changes):
        return [self._swap(change) for change in changes]

    def _swap(self, change: Change):
        is_move = isinstance(change, Move)
        [stored] = self.load([change.id if is_move else change.row.id])
        if stored is None:
            return Verdict.GONE
        if change.seq is not None and change.seq != stored.seq:
            return Verdict.STALE
        if change.version != stored.version:
            return Verdict.STALE
        if is_move and change.lapsed_by is not None and not _lease_ended(stored, change.lapsed_by):
            return Verdict.STALE
        new = self._moved(stored, change) if is_move else self._rewritten(stored, change)
        others = [row for row in self.rows if row.seq != stored.seq]
        if new.key_held != KEY_FREE and any(_holds_key(row, new.unique_key) for row in others):
            return Verdict.TAKEN
        for follower in change.then if is_move else ():
            if self.load([follower.id]) == [None]:
                self._add(follower)
        self._store(new)
        if stored.finished_at is None and new.finished_at is not None:
            self._ended(new, -1, new.state != "succeeded")
        elif stored.finished_at is not None and new.finished_at is None:
            self._ended(new, 1, -(stored.state != "succeeded"))
        return Verdict.DONE

    def _moved(self, stored, move):
        columns = move._asdict()
        for guard in ("id", "seq", "version", "lapsed_by", "then"):
            del columns[guard]
        if columns["key_held"] is None:
            del columns["key_held"]
        if columns.pop("ends_lease"):
            columns["lease_until"] = columns["locked_by"] = None
        return stored._replace(version=stored.version + 1, **columns)

    def _rewritten(self, stored, change):
        new = change.row._replace(seq=stored.seq)
        if change.keeps_lease:
            new = new._replace(
                worker=stored.worker, locked_by=stored.locked_by, lease_until=stored.lease_until
            )
        if change.keeps_payload:
            new = new._replace(payload=stored.payload)
        for kept in ("notes", "batch", "counts", "awaits", "needs_all"):
            new = new._replace(**{kept: getattr(stored, kept)})
        return new

    def claim(self, claim: Claim):
        lanes = Lanes(list(self.rows), self.paces, claim)
        taken, beyond = [], []
        for row in self._claimable(claim):
            if len(taken) < claim.limit:
                if lanes.opens_at(row) == 0:
                    lanes.start(row)
                    taken.append(self._claimed(row, claim))
            elif row.lane is None:
                beyond.append(row)
        beyond = [row for row in beyond[: claim.ahead] if row.ahead != NEVER_AHEAD]
        taken += [self._claimed(row, claim)._replace(ahead=AHEAD) for row in beyond]
        for row in taken:
            self._store(row)
        self._put_back({row.permit for row in taken} - {None}, claim.now)
        waiting = [row.due_at for row in self.rows if row.due_at is not None]
        return Claimed(taken, min((due for due in waiting if due > claim.now), default=None))

    def _put_back(self, permits, now):
        """Who lapsed under these has lapsed for good."""
        for row in self.rows:
            lapsed = row.lease_until is not None and now - DAY < row.lease_until <= now
            if row.permit in permits and row.locked_by is None and lapsed:
                self._store(row._replace(lease_until=max(0, row.lease_until - DAY)))

    def _claimable(self, claim):
        return [
            row
            for row in self._in_order(self.rows)
            if row.due_at is not None
            and row.due_at <= claim.now
            and (claim.queues is None or row.queue in claim.queues)
            and not self._paused(row)
            and (_holder(row) == claim.worker or not _held(row, claim.now))
        ]

    def _paused(self, row):
        return self.read(PAUSED + row.queue) is not None

    def may_be_next_due(self, claimed, claim, next_due):
        """Whether a driver may say so after a claim for which this one ``claimed``. Where no lane
        is known it is exact. Of lanes a driver may keep hints: they may be early, and never late
        for a row that the claim would have taken but for its lane."""
        if all(row.lane is None for row in self.rows):
            return next_due == claimed.next_due
        lanes = Lanes(self.rows, self.paces, claim)
        free = len(claimed.rows) < claim.limit
        times = [lanes.opens_at(row) for row in self._claimable(claim)] if free else []
        latest = [time for time in (*times, claimed.next_due) if time is not None]
        if next_due is None:
            return not latest
        return claim.now < next_due <= min(latest, default=next_due)

    def _in_order(self, rows):
        return sorted(rows, key=lambda row: (-row.priority, row.seq))

    def _claimed(self, row, claim):
        return row._replace(
            state="processing",
            version=row.version + 1,
            attempt=row.attempt + 1,
            fence=row.fence + 1,
            worker=claim.worker,
            locked_by=None,
            lease_until=claim.lease_until,
            due_at=None,
            key_held={KEY_UNTIL_CLAIMED: KEY_FREE}.get(row.key_held, row.key_held),
            detail=claim.detail,
        )

    def hold(self, holds):
        return [self._renew(hold) if hold.fence is not None else self._lock(hold) for hold in holds]

    def _renew(self, hold: Hold):
        [stored] = self.load([hold.id])
        if stored is None:
            return Verdict.GONE
        if (stored.worker, stored.fence) != (hold.worker, hold.fence):
            return Verdict.STALE
        if hold.seq not in (None, stored.seq) or stored.lease_until is None:
            return Verdict.STALE
        if stored.locked_by is not None or self._lacks_a_permit(stored, hold.now):
            return Verdict.STALE
        new = stored._replace(lease_until=hold.until)
        if hold.notes is not None and stored.state == "processing":
            new = new._replace(notes=hold.notes)
        self._store(new)
        self._put_back_others(stored, new, hold.now)
        return Verdict.DONE

    def _put_back_others(self, old, new, now):
        """A claim that lapsed lives again, so the others under its permit have lapsed for good."""
        lives = new.locked_by is None and _held(new, now)
        if new.permit is not None and lives and _lease_ended(old, now):
            self._put_back({new.permit}, now)

    def _lacks_a_permit(self, row, now):
        if row.permit is None or not _lease_ended(row, now):
            return False
        return len(live_leases(self.rows, row.permit, now)) >= limits(row).permits

    def _lock(self, hold: Hold):
        [stored] = self.load([hold.id])
        if stored is None:
            return Verdict.GONE
        if hold.seq not in (None, stored.seq):
            return Verdict.STALE
        if _held(stored, hold.now) and _holder(stored) != hold.worker:
            return Verdict.STALE
        if stored.state == "processing" and self._lacks_a_permit(stored, hold.now):
            return Verdict.STALE
        new = stored._replace(lease_until=hold.until)
        if stored.state == "processing" and _lease_ended(stored, hold.now):
            new = new._replace(fence=stored.fence + 1, version=stored.version + 1)
            new = new._replace(worker=hold.worker, locked_by=None)
        elif not _held(stored, hold.now):
            new = new._replace(locked_by=hold.worker)
        self._store(new)
        self._put_back_others(stored, new, hold.now)
        return Verdict.DONE

    def let_go(self, job_id, worker, now, claim=None):
        [stored] = self.load([job_id])
        if stored is None:
            return Verdict.GONE
        if not _held(stored, now) or _holder(stored) != worker:
            return Verdict.STALE
        if claim is not None and (stored.locked_by or (stored.seq, stored.fence) != claim):
            return Verdict.STALE
        if stored.state == "processing":
            self._store(stored._replace(lease_until=now))
        else:
            self._store(stored._replace(lease_until=None, locked_by=None))
        return Verdict.DONE

    def scan(self, query):
        if isinstance(query, Page):
            newest = [row for row in reversed(self.rows) if self._passes(row, query)]
            return newest[query.offset :][: query.limit]
        if isinstance(query, Available):
            free = [
                row
                for row in self.rows
                if row.due_at is not None
                and row.due_at <= query.now
                and not _held(row, query.now)
                and not self._paused(row)
            ]
            return self._in_order(free)[: query.limit]
        if isinstance(query, After):
            return [row for row in self.rows if row.seq > query.seq][: query.limit]
        if isinstance(query, Expired):
            late = [
                row
                for row in self.rows
                if row.due_at is not None
                and row.expires_at is not None
                and row.expires_at <= query.now
            ]
            return sorted(late, key=lambda row: row.expires_at)[: query.limit]
        if isinstance(query, Oldest):  # a driver may leave out what has not waited longest
            return [row for row in self.rows if row.due_at is not None and row.due_at <= query.now]
        if isinstance(query, Batches):
            found = {row.batch: row for row in self.rows if row.batch is not None}
            names = [name for name in sorted(found) if name >= query.start]
            return [found[name] for name in names[: query.limit]]
        assert isinstance(query, Lapsed)
        lapsed = [
            row for row in self.rows if row.state == "processing" and _lease_ended(row, query.now)
        ]
        return sorted(lapsed, key=lambda row: row.lease_until)[: query.limit]

    def _passes(self, row, page):
        return (
            (page.states is None or row.state in page.states)
            and (page.queue is None or row.queue == page.queue)
            and (page.method is None or row.method == page.method)
            and (page.below is None or row.seq < page.below)
            and (page.batch is None or row.batch == page.batch)
        )

    def count(self, page, by):
        values = [getattr(row, by) for row in self.rows if self._passes(row, page)]
        return {value: values.count(value) for value in values}

    def erase(self, target, limit):
        if isinstance(target, Finished):
            doomed = [
                row
                for row in self.rows
                if row.state == target.state
                and row.finished_at is not None
                and row.finished_at <= target.by
                and row.purge_at is None
            ]
            doomed.sort(key=lambda row: row.finished_at)
        elif isinstance(target, Overdue):
            doomed = [
                row for row in self.rows if row.purge_at is not None and row.purge_at <= target.by
            ]
            doomed.sort(key=lambda row: row.purge_at)
        else:
            doomed = [row for row in self.rows if row.id in target]
        doomed = doomed[:limit]
        self.rows = [row for row in self.rows if row not in doomed]
        for row in doomed:
            if row.finished_at is None:
                self._ended(row, -1, 1)
        return len(doomed)

    def read(self, name):
        return next((record for record in self.records if record.name == name), None)

    def write(self, name, body, expected):
        record = self.read(name)
        if expected != (0 if record is None else record.version):
            return Verdict.STALE
        self.records = [other for other in self.records if other.name != name]
        if body is not None:
            self.records.append(Record(name, expected + 1, body))
        return Verdict.DONE

    def list(self, prefix):
        found = [record for record in self.records if record.name.startswith(prefix)]
        return sorted(found, key=lambda record: record.name)
