"""Any order of verbs: a driver and the naive one answer the same and hold the same rows."""

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from qml.seam.lanes import Lane, encode
from qml.seam.rows import (
    AHEAD,
    KEY_FREE,
    NEVER_AHEAD,
    PAUSED,
    After,
    Available,
    Claim,
    Expired,
    Finished,
    Hold,
    Lapsed,
    Move,
    Overdue,
    Page,
    Rewrite,
    Row,
    Write,
)
from qml.seam.tallies import Parents

from .conftest import MAKERS
from .making import everything, row
from .naive import NaiveDriver

IDS = st.sampled_from("abcdefgh")
WORKERS = st.sampled_from(["w1", "w2", "w3"])
QUEUES = st.sampled_from(["q1", "q2"])
METHODS = st.sampled_from(["m1", "m2"])
KEYS = st.sampled_from([None, "k1", "k2"])
STATES = st.sampled_from(["enqueued", "scheduled", "processing", "succeeded", "deleted"])
HELD = st.integers(KEY_FREE, 2)
TEXTS = st.sampled_from(["x", "y", "z"])
SPANS = st.integers(-2, 4)
NAMES = st.sampled_from(["a", "ab", "a%", "b_", PAUSED + "q1", PAUSED + "q2"])
PERMITS, PACES, TALLIES = ["k1", "k2"], ["p1", "p2"], ["t1", "t2", "t3"]
LIMITS = st.tuples(st.sampled_from(PERMITS), st.integers(1, 2))
RATES = st.tuples(st.sampled_from(PACES), st.integers(1, 3), st.integers(1, 2))
COUNTS = st.lists(st.sampled_from(TALLIES), min_size=1, max_size=2, unique=True).map(json.dumps)
PAGES = st.builds(
    Page,
    states=st.one_of(st.none(), st.lists(STATES, max_size=2).map(tuple)),
    queue=st.one_of(st.none(), QUEUES),
    method=st.one_of(st.none(), METHODS),
    limit=st.one_of(st.none(), st.integers(0, 3)),
    offset=st.integers(0, 2),
    below=st.one_of(st.none(), st.integers(0, 20)),
    batch=st.sampled_from([None, None, "b1", "b2"]),
)


@st.composite
def columns(draw, now):
    """Columns that mean something to a driver, in any mixture: the rules are not its business."""
    moment = st.one_of(st.none(), SPANS.map(lambda span: now + span))
    often = st.sampled_from([None, now - 2, now - 1, now, now + 1, now + 2])
    queue = draw(QUEUES)
    permit, permits = draw(st.just((None, None)) | LIMITS)
    pace = draw(st.just((None, None, None)) | RATES)
    limited = permit is not None or pace[0] is not None
    return {
        "lane": encode(Lane(queue, permit, permits, *pace)) if limited else None,
        "permit": permit,
        "state": draw(STATES),
        "queue": queue,
        "method": draw(METHODS),
        "priority": draw(st.integers(-1, 1)),
        "ahead": draw(st.sampled_from([0, AHEAD, NEVER_AHEAD])),
        "worker": draw(WORKERS),
        "locked_by": draw(st.one_of(st.none(), WORKERS)),
        "lease_until": draw(moment),
        "due_at": draw(st.one_of(st.just(0), moment)),
        "finished_at": draw(moment),
        "purge_at": draw(often),
        "expires_at": draw(often),
        "unique_key": draw(KEYS),
        "key_held": draw(HELD),
        "payload": draw(TEXTS),
        "metadata": draw(TEXTS),
        "notes": draw(TEXTS),
        "batch": draw(st.sampled_from([None, "b1", "b2"])),
        "counts": draw(st.none() | COUNTS),
        "awaits": draw(st.none() | st.sampled_from(TALLIES)),
        "needs_all": draw(st.integers(0, 1)),
    }


def comparable(answer):
    """The same, whatever blanks the JSON of ``counts`` has."""
    if isinstance(answer, Row):
        return answer._replace(counts=answer.counts and json.dumps(json.loads(answer.counts)))
    return [*map(comparable, answer)] if isinstance(answer, list) else answer


def tallies(row):
    """The names of all tallies that the end of a row, or its being woken, has to do with."""
    return {*json.loads(row.counts or "[]"), *([] if row.awaits is None else [row.awaits])}


def _without_checks(driver):
    """Rows are any mixture here. No storage makes one wait for a tally that is over; Redis takes
    such a one for damage when it checks itself, every 10 seconds, and mends it."""
    mending = getattr(driver, "_mending", None)
    if mending is not None:
        mending._next_check = math.inf


class DriverMachine(RuleBasedStateMachine):
    """``hands`` are rows as they were at any time: stale ones as likely as fresh."""

    hands = Bundle("hands")
    make = None

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = self.make(Path(self.folder.name))
        self.driver.install()
        _without_checks(self.driver)
        self.naive = NaiveDriver()
        self.now = 1_000
        self.last_seq = 0
        self.steps = 0

    def teardown(self):
        self.driver.close()
        self.folder.cleanup()

    def both(self, verb, *arguments):
        """What the driver answered, after it proved to be what the naive one answers."""
        answer = comparable(getattr(self.driver, verb)(*arguments))
        expected = getattr(self.naive, verb)(*arguments)
        assert answer == expected, f"{verb}{arguments}: {answer} instead of {expected}"
        return answer

    @initialize(target=hands, data=st.data())
    def begin(self, data):
        return self.insert(data, ["a", "b", "c"])

    @rule(target=hands, data=st.data(), ids=st.lists(IDS, min_size=1, max_size=3))
    def insert_rows(self, data, ids):
        return self.insert(data, ids)

    @rule(
        target=hands,
        data=st.data(),
        ids=st.lists(IDS, max_size=2),
        record=st.builds(Write, NAMES, st.sampled_from(["{}", "[]"]), st.integers(0, 2)),
    )
    def insert_with_a_record(self, data, ids, record):
        return self.insert(data, ids, record)

    @rule(
        target=hands,
        data=st.data(),
        job_id=IDS,
        after=st.lists(IDS, min_size=1, max_size=3, unique=True),
        place=st.integers(0, 1),
    )
    def insert_after_parents(self, data, job_id, after, place):
        """``job_id`` waits for others, and is the only row of its insert, or comes after another
        that does not."""
        ids = [*"i"[:place], job_id]
        return self.insert(data, ids, None, [Parents(place, tuple({*after} - {*ids}))])

    @rule(
        target=hands,
        data=st.data(),
        ids=st.lists(IDS, min_size=1, max_size=2),
        record=st.none() | st.builds(Write, NAMES, st.just("{}"), st.integers(0, 1)),
    )
    def insert_after_a_batch(self, data, ids, record):
        """The last waits for what is to be there."""
        return self.insert(data, ids, record, [Parents(len(ids) - 1, None)])

    def insert(self, data, ids, record=None, parents=()):
        rows = []
        for job_id in ids:
            if rows and data.draw(st.booleans()):  # like the one before
                rows.append(rows[-1]._replace(id=job_id, payload=f"payload of {job_id}"))
            else:
                rows.append(row(job_id, **data.draw(columns(self.now))))
        parents = [one for one in parents if one.ids != ()]
        for one in parents:
            waits = {"state": "scheduled", "due_at": None, "finished_at": None}
            child = rows[one.index]
            awaits = data.draw(st.sampled_from(TALLIES)) if one.ids is None else f"job/{child.id}"
            rows[one.index] = child._replace(awaits=awaits, **waits)
        seqs, obstacles = self.driver.insert(rows, record, parents)
        assert obstacles == self.naive.insert(rows, record, parents)
        if obstacles:
            assert seqs == []
            return multiple()
        stored = comparable(self.driver.load(ids))
        assert seqs == [one.seq for one in stored]
        self.number(seqs)
        return multiple(*stored)

    def number(self, seqs):
        assert seqs == sorted(set(seqs))
        assert min(seqs, default=self.last_seq + 1) > self.last_seq
        self.last_seq = max(seqs, default=self.last_seq)
        self.naive.number(seqs)

    @rule(span=st.integers(1, 3))
    def time_passes(self, span):
        self.now += span

    @rule(target=hands, job_id=IDS)
    def look(self, job_id):
        [stored] = self.both("load", [job_id])
        return multiple(*([] if stored is None else [stored]))

    @rule(
        target=hands,
        worker=WORKERS,
        limit=st.integers(0, 4),
        ahead=st.integers(0, 2),
        queues=st.one_of(st.none(), st.lists(QUEUES, min_size=1, max_size=2).map(tuple)),
        lease=st.integers(1, 4),
    )
    def claim(self, worker, limit, ahead, queues, lease):
        order = Claim(worker, self.now, self.now + lease, limit, ahead, queues, "claimed")
        rows, next_due = self.driver.claim(order)
        expected = self.naive.claim(order)
        assert comparable(rows) == expected.rows, f"{order}: {rows} instead of {expected.rows}"
        assert self.naive.may_be_next_due(expected, order, next_due), (order, expected, next_due)
        return multiple(*expected.rows)

    @rule(data=st.data(), hands=st.lists(hands, min_size=1, max_size=3))
    def swap(self, data, hands):
        changed = {hand.id for hand in hands}
        self.swapped([self.change(data, hand, changed) for hand in hands])

    @rule(data=st.data(), hand=st.none() | hands)
    def end(self, data, hand):
        """A batch as servers make it: ends of what nobody may claim, and perhaps a stale hand's."""
        running = [row for row in self.naive.rows if row.due_at is None]
        hands = [*running[:3], *([] if hand is None else [hand])]
        changed = {hand.id for hand in hands}
        quick = {"lapsed_by": None, "due_at": None, "ends_lease": True}
        moves = [self.move(data, hand, changed) for hand in hands]
        self.swapped(
            [m._replace(seq=hand.seq, **quick) for m, hand in zip(moves, hands, strict=True)]
        )

    def swapped(self, changes):
        """Of changes that have to do with one tally the first is carried out: whether one that is
        over by one change is there for another is nobody's promise, nor who is woken between."""
        touched: set[str] = set()
        apart = []
        for change in changes:
            named = self.touched_by(change)
            if named.isdisjoint(touched):
                apart.append(change)
            touched |= named
        self.both("swap", apart)
        followers = self.driver.load(self.naive.unnumbered())
        assert None not in followers
        self.number([one.seq for one in followers])

    def touched_by(self, change):
        is_move = isinstance(change, Move)
        stored = self.naive.load([change.id if is_move else change.row.id])
        rows = [*filter(None, stored), *(change.then if is_move else ())]
        return {name for one in rows for name in tallies(one)}

    def change(self, data, hand, changed):
        if data.draw(st.booleans()):
            return self.move(data, hand, changed)
        new = hand._replace(version=hand.version + 1, **data.draw(columns(self.now)))
        seq = hand.seq if data.draw(st.booleans()) else None
        keeps = data.draw(st.tuples(st.booleans(), st.booleans()))
        return Rewrite(seq, hand.version, new, *keeps)

    def move(self, data, hand, changed):
        """``changed``: the rows that the batch names. None of them comes by another change of it:
        which is first is nobody's promise."""
        new = data.draw(columns(self.now))
        return Move(
            id=hand.id,
            seq=hand.seq if data.draw(st.booleans()) else None,
            version=hand.version,
            lapsed_by=data.draw(st.sampled_from([None, None, self.now])),
            state=new["state"],
            detail=new["payload"],
            failures=new["metadata"],
            attempt=hand.attempt,
            max_attempts=hand.max_attempts,
            ahead=new["ahead"],
            due_at=new["due_at"],
            finished_at=new["finished_at"],
            purge_at=new["purge_at"],
            key_held=data.draw(st.one_of(st.none(), HELD)),
            ends_lease=data.draw(st.booleans()),
            then=self.followers(data, hand, changed),
        )

    def followers(self, data, hand, changed):
        """None waits for a tally that this very end may be the last of."""
        names = data.draw(st.one_of(st.just([]), st.lists(IDS, max_size=2)))
        rows = [row(name, **data.draw(columns(self.now))) for name in names if name not in changed]
        ended = {name for one in self.naive.load([hand.id]) if one for name in tallies(one)}
        return tuple(
            one._replace(key_held=KEY_FREE, awaits=None if one.awaits in ended else one.awaits)
            for one in rows
        )

    @rule(
        hands=st.lists(hands, min_size=1, max_size=3),
        span=st.integers(0, 4),
        whole=st.booleans(),
        notes=st.one_of(st.none(), TEXTS),
    )
    def renew(self, hands, span, whole, notes):
        orders = [
            Hold(
                hand.id,
                hand.seq if whole else None,
                hand.worker or "w1",
                hand.fence,
                self.now,
                self.now + span,
                notes,
            )
            for hand in hands
        ]
        held = self.driver.load([hand.id for hand in hands])
        permits = [row.permit for row in held if row is not None and row.permit is not None]
        if len(permits) == len({*permits}):  # which of two gets the last one is nobody's promise
            self.both("hold", orders)

    @rule(job_id=IDS, worker=WORKERS, span=st.integers(0, 4))
    def lock(self, job_id, worker, span):
        self.both("hold", [Hold(job_id, None, worker, None, self.now, self.now + span, "none")])

    @rule(job_id=IDS, worker=WORKERS, fence=st.none() | st.integers(0, 3), stale=st.booleans())
    def let_go(self, job_id, worker, fence, stale):
        [row] = self.naive.load([job_id])
        claim = None if fence is None or row is None else (row.seq - stale, fence)
        self.both("let_go", job_id, worker, self.now, claim)

    @rule(hands=st.lists(hands, min_size=1, max_size=3))
    def erase(self, hands):
        self.both("erase", [hand.id for hand in hands], 9)

    @rule(state=STATES, limit=st.integers(1, 3), back=st.integers(-1, 2))
    def purge(self, state, limit, back):
        self.both("erase", Finished(state, self.now - back), limit)

    @rule(limit=st.integers(1, 3), back=st.integers(-1, 2))
    def purge_what_has_a_time_of_its_own(self, limit, back):
        self.both("erase", Overdue(self.now - back), limit)

    @rule(page=PAGES, by=st.sampled_from(["state", "queue", "method"]))
    def page(self, page, by):
        self.both("scan", page)
        self.both("count", page, by)

    @rule(limit=st.integers(0, 3))
    def look_with_a_limit(self, limit):
        self.both("scan", Available(self.now, limit))
        self.both("scan", Lapsed(self.now, limit))
        self.both("scan", Expired(self.now, limit))
        self.both("scan", After(self.last_seq - limit, limit))

    @rule(
        name=NAMES,
        body=st.one_of(st.none(), st.sampled_from(["{}", "[]"])),
        expected=st.integers(0, 2),
    )
    def write(self, name, body, expected):
        self.both("write", name, body, expected)
        self.both("read", name)
        self.both("list", name)

    @rule(name=st.sampled_from(TALLIES), more=st.sampled_from([None, True, False]))
    def tally(self, name, more):
        self.both("tally", name, more)

    @rule()
    def used(self):
        live, paced = self.driver.used(self.now, PERMITS, PACES)
        assert live == self.naive.used(self.now, PERMITS, PACES)[0]
        times = self.naive.used(self.now, PERMITS, PACES)[1]
        assert all(  # what is over may be forgotten
            time == known or max(time, known) <= self.now
            for time, known in zip(paced, times, strict=True)
        )

    @invariant()
    def a_tally_is_the_same(self):
        """Each in its turn: five at every step would be long."""
        names = [*TALLIES, *(f"job/{row.id}" for row in self.naive.rows)]
        self.steps += 1
        self.both("tally", names[self.steps % len(names)])

    @invariant()
    def all_rows_and_records_are_the_same(self):
        assert comparable(everything(self.driver)) == self.naive.rows
        self.both("list", "")

    @invariant()
    def all_orders_are_the_same(self):
        self.both("scan", Available(self.now))
        self.both("scan", Lapsed(self.now, 99))
        self.both("scan", Expired(self.now, 99))
        self.both("count", Page(), "state")
        self.both("holder", "k1")

    @invariant()
    def a_key_is_held_once(self):
        held = [r.unique_key for r in everything(self.driver) if r.unique_key and r.key_held]
        assert len(held) == len(set(held))


def run_machine(machine, share):
    """``share``: of the profile's examples."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(settings.default.max_examples * share),
            stateful_step_count=40,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


SHARES = {"memory": 0.6, "sqlite": 0.5, "postgres": 0.4, "redis": 0.4}


@pytest.mark.parametrize("kind", MAKERS)
def test_any_order_of_verbs(kind):
    run_machine(
        type(f"{kind.title()}Machine", (DriverMachine,), {"make": staticmethod(MAKERS[kind])}),
        SHARES[kind],
    )
