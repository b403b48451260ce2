"""Each law lets a good call pass, and names one that breaks it."""

import pytest

from qml.seam.rows import Claim, Claimed, Finished, Hold, Inserted, Move, Overdue, Row, Verdict
from qml.testing import laws
from qml.testing.laws import LAWS, Call, End, Place, Who, records, sharing, slots
from qml.testing.laws.calls import Group, Shared, difference

NOW = 1_000_000_000
LATER = NOW + 30_000_000

WAITING = Row(
    seq=1, id="a", version=0, state="enqueued", queue="default", priority=0, method="task",
    attempt=0, fence=0, max_attempts=2, ahead=0, worker=None, locked_by=None, lease_until=None,
    due_at=0, finished_at=None, purge_at=None, expires_at=None, created_at=0, key_held=2,
    unique_key="k", unique_while="unfinished", max_retries=None, timeout_seconds=None,
    job_type=None, lane=None, permit=None, batch=None, counts=None, awaits=None, needs_all=0,
    detail="{}", failures="[]", metadata="{}", payload="[[],{}]", notes="",
)  # fmt: skip

BETTER = WAITING._replace(id="b", seq=2, priority=1, unique_key=None, key_held=0)

RUNNING = WAITING._replace(
    version=1, state="processing", attempt=1, fence=1, worker="w", lease_until=LATER, due_at=None
)

DONE = RUNNING._replace(
    version=2, state="succeeded", lease_until=None, key_held=0, finished_at=NOW,
    detail='{"result":"(claim w/1)"}',
)  # fmt: skip

BACK = WAITING._replace(version=2, fence=1, worker="w")
LAPSED = RUNNING._replace(lease_until=NOW)
RESCUED = BACK._replace(attempt=1)

LOCKED = WAITING._replace(locked_by="a client", lease_until=LATER + 1)

CLAIM = Claim("w", NOW, LATER, 1, 0, None, "{}")
MINE = frozenset({End(1, 1, True)})


def store(*rows):
    return {row.id: row for row in rows}


def claimed(was, now, order=CLAIM, others=()):
    who = Who(order.worker, "claims")
    rows = [now] if now else []
    after = store(*others, *(rows or [was]))
    return Call("claim", order, Claimed(rows, None), store(was, *others), after, NOW, who)


def moved(was, now, who=None, verdict=Verdict.DONE, then=()):
    move = Move(
        was.id, was.seq, was.version, None, now.state, now.detail, now.failures, now.attempt,
        now.max_attempts, now.ahead, now.due_at, now.finished_at, now.purge_at, now.key_held,
        True, then,
    )  # fmt: skip
    who = who or Who("w", "records", MINE)
    return Call("swap", [move], [verdict], store(was), store(now, *then), NOW, who)


def held(was, now, fence=1, worker="w", acts="renews", notes=None):
    order = Hold("a", 1, worker, fence, NOW, LATER + 1, notes)
    who = Who(worker, acts)
    return Call("hold", [order], [Verdict.DONE], store(was), store(now), NOW, who)


def removed(was, who, target=("a",)):
    return Call("erase", target, 1, store(was), {}, NOW, who)


def buried(was):
    """The server ``w`` is gone."""
    now, who = was._replace(lease_until=NOW), Who("v", "buries")
    return Call("let_go", (was.id, "w", NOW, 1, 1), Verdict.DONE, store(was), store(now), NOW, who)


EXPIRED = WAITING._replace(expires_at=NOW)
OUT = EXPIRED._replace(
    version=1, state="deleted", due_at=None, finished_at=NOW, key_held=0, detail='{"reason":"late"}'
)
FRUITLESS = RUNNING._replace(payload='[[],{},{"on_failure":{"method":"tell"}}]')
FAILED = FRUITLESS._replace(
    version=2, state="failed", lease_until=None, key_held=0, finished_at=NOW, detail="{}"
)
TOLD = WAITING._replace(
    id="f", seq=2, unique_key=None, key_held=0, method="tell", payload='[["a","no"],{}]'
)
BRIEF = RUNNING._replace(payload='[[],{},{"retention":[1,2,3]}]')
SHORT = BRIEF._replace(
    version=2, state="succeeded", lease_until=None, key_held=0, finished_at=NOW,
    purge_at=NOW + 1_000_000, detail="{}",
)  # fmt: skip
NOTED = RUNNING._replace(lease_until=LATER + 1, notes="(claim w/1)")

# -- what jobs share ---------------------------------------------------------------------------

ONE, TEN = '["default","k","1",null,null,null]', '["default",null,null,"p","10","2"]'
LIMITED, SLOW = BETTER._replace(lane=ONE, permit="k"), WAITING._replace(lane=TEN)
FIRST = RUNNING._replace(lane=ONE, permit="k")


def took(was):
    """The row as claimed."""
    return was._replace(
        version=was.version + 1, state="processing", attempt=1, fence=1, worker="w",
        lease_until=LATER, due_at=None,
    )  # fmt: skip


def started(*starts):
    """A start at NOW, and others before it."""
    shared = Shared(started={"p": starts}, starts={"p": (*starts, NOW)})
    return claimed(SLOW, took(SLOW))._replace(shared=shared)


MEMBER = RUNNING._replace(batch="n", counts='["batch/n"]')
WAITER = BETTER._replace(state="scheduled", due_at=None, awaits="batch/n", needs_all=1)
WOKEN = WAITER._replace(due_at=0, version=1)


def ended(waiter, left=0, failed=0, was=WAITER):
    """The end of the last member but ``left``."""
    call = moved(MEMBER, DONE._replace(batch="n", counts='["batch/n"]'))
    group = {"batch/n": Group(left, False, failed)}
    shared = Shared(groups=group) if left else Shared(over={"batch/n": failed})
    before, after = store(MEMBER, was), store(*call.after.values(), waiter)
    return call._replace(before=before, after=after, shared=shared)


def enqueued_after(row, **groups):
    answer = Inserted([row.seq], [])
    shared = Shared(groups={name.replace("_", "/"): Group(1) for name in groups})
    return Call(
        "insert", ([WAITER], None), answer, {}, store(row), NOW, Who("c", "enqueues"),
        shared=shared,
    )  # fmt: skip


# -- recurring jobs: every 100 seconds, counted from 0 -----------------------------------------

SLOT = 900_000_000


def record(slot="1970-01-01T00:15:00+00:00", **others):
    """A schedule whose next slot was due 100 s ago."""
    return {
        "name": "s", "rule": {"every": 100.0, "start": "1970-01-01T00:00:00+00:00"},
        "catch_up": "one", "overlap": True, "spread": 0.0, "paused": False,
        "next_slot": slot, "last_job": None, **others,
    }  # fmt: skip


GONE_ON = "1970-01-01T00:18:20+00:00"


def issued(*slots, was=None, following=GONE_ON, before=(), place=True, ended=None):
    """A step of the schedule at NOW, which is the slot after SLOT itself."""
    was = record() if was is None else was
    rows = [
        WAITING._replace(
            id=f"s{slot}", seq=10 + number, created_at=NOW, unique_key=None, key_held=0,
            payload=f'[[],{{}},{{"schedule":"s","slot":{slot}}}]',
        )
        for number, slot in enumerate(slots)
    ]  # fmt: skip
    answer = Inserted([row.seq for row in rows], [])
    now = {**was, "next_slot": following}
    return Call(
        "insert", (rows, None), answer, store(*before), store(*before, *rows), NOW,
        Who("w", "issues"), Place("s", was, now, ended) if place else None,
    )  # fmt: skip


def rewritten(was, now, acts="adds"):
    order = ("schedule/s", "{}", 1)
    return Call("write", order, Verdict.DONE, {}, {}, NOW, Who("c", acts), Place("s", was, now))


ALL = record(catch_up="all")
ALONE = record(overlap=False, last_job="a")

GOOD = {
    "an issue of the latest": issued(NOW),
    "an issue of all": issued(SLOT, NOW, was=ALL),
    "an issue of what was not issued before": issued(
        NOW,
        was=ALL,
        before=[WAITING._replace(payload=f'[[],{{}},{{"schedule":"s","slot":{SLOT}}}]')],
    ),
    "an issue of nothing, since it was missed": issued(was=record(catch_up="none")),
    "an issue of nothing, since the one before runs": issued(was=ALONE, before=[RUNNING]),
    "an issue of nothing, since the one before ended late": issued(
        was=ALONE, before=[DONE], ended=SLOT + 1
    ),
    "an issue once the one before has ended": issued(NOW, was=ALONE, before=[DONE], ended=SLOT),
    "an issue by a server whose clock is behind": issued(
        NOW, was=record("1970-01-01T00:16:40+00:00")
    )._replace(now=NOW + 10**9),
    "a schedule that is added": rewritten(None, record(GONE_ON)),
    "a schedule that has another rule": rewritten(
        record(),
        record(
            GONE_ON,
            rule={"cron": "*/2 * * * *", "timezone": "UTC"},
            next_slot="1970-01-01T00:18:00+00:00",
        ),
    ),
    "a schedule that is added again": rewritten(record(), record(catch_up="all")),
    "a schedule that is paused": rewritten(record(), record(paused=True)),
    "a schedule that goes on after a pause": rewritten(record(paused=True), record(GONE_ON)),
    "a schedule that is removed": rewritten(record(), None),
    "an expiry": moved(EXPIRED, OUT, Who("w", "expires")),
    "an expiry that a claim has found": moved(
        RUNNING._replace(expires_at=NOW),
        OUT._replace(version=2, fence=1, worker="w"),
        Who("w", "claims"),
    ),
    "a failure with what follows": moved(FRUITLESS, FAILED, then=(TOLD,)),
    "a retry without it": moved(
        FRUITLESS,
        FAILED._replace(state="awaiting_retry", finished_at=None, due_at=LATER, key_held=2),
    ),
    "a note": held(RUNNING, NOTED, notes="(claim w/1)"),
    "a note on a cancelled run": held(
        DONE._replace(state="deleted", lease_until=LATER),
        DONE._replace(state="deleted", lease_until=LATER + 1),
        notes="(claim w/1)",
    ),
    "an end with a retention of its own": moved(BRIEF, SHORT),
    "a purge of that": removed(
        SHORT._replace(finished_at=NOW - 10**6, purge_at=NOW), Who("w", "purges"), Overdue(NOW)
    ),
    "a claim": claimed(WAITING, RUNNING),
    "a claim of nothing": claimed(RUNNING, None),
    "a finish": moved(RUNNING, DONE),
    "a hand back": moved(RUNNING, BACK, Who("w", "hands back", frozenset({End(1, 1, False)}))),
    "a rescue": moved(LAPSED, RESCUED, Who("v", "rescues")),
    "a rescue of what was ahead": moved(
        LAPSED._replace(ahead=1), BACK._replace(ahead=2), Who("v", "rescues")
    ),
    "a renewal": held(RUNNING, RUNNING._replace(lease_until=LATER + 1)),
    "a cancel of a run": moved(
        RUNNING,
        DONE._replace(state="deleted", lease_until=LATER, detail="{}"),
        Who("a client", "cancels"),
    ),
    "a retry": moved(
        DONE._replace(state="failed"), RESCUED._replace(version=3), Who("a client", "retries")
    ),
    "a purge": removed(DONE, Who("w", "purges"), Finished("succeeded", NOW)),
    "a deletion": removed(RUNNING, Who("a client", "deletes")),
    "an insert": Call(
        "insert",
        ([WAITING], None),
        Inserted([1], []),
        {},
        store(WAITING),
        NOW,
        Who("a client", "enqueues"),
    ),
    "a lock": held(WAITING, LOCKED, None, "a client", "locks"),
    "a lock over a lapsed claim": held(
        LAPSED,
        LAPSED._replace(fence=2, version=2, worker="v", lease_until=LATER + 1),
        None,
        "v",
        "locks",
    ),
    "an unlock": Call(
        "let_go",
        ("a", "v", NOW),
        Verdict.DONE,
        store(LOCKED._replace(locked_by="v")),
        store(WAITING),
        NOW,
        Who("v", "unlocks"),
    ),
    "a refused change": moved(DONE, DONE, verdict=Verdict.STALE),
    "a claim past what its limit keeps back": claimed(
        WAITING._replace(id="c", seq=3, unique_key=None, key_held=0),
        took(WAITING._replace(id="c", seq=3, unique_key=None, key_held=0)),
        others=[FIRST, LIMITED],
    ),
    "a claim where the one before has lapsed": claimed(
        LIMITED, took(LIMITED), others=[FIRST._replace(lease_until=NOW)]
    ),
    "a start in its time": started(NOW - 10),
    "two starts at once": started(NOW),
    "a claim past a queue that is paused": claimed(
        WAITING, RUNNING, others=[BETTER._replace(queue="q")]
    )._replace(shared=Shared(paused={"q"})),
    "the end of the last": ended(WOKEN),
    "the end of the last where one failed": ended(WOKEN._replace(expires_at=0), failed=1),
    "the end of the last but one": ended(WAITER, left=1),
    "an insert of one that waits": enqueued_after(WAITER, batch_n=1),
    "an insert of one that need not wait": enqueued_after(WAITER._replace(due_at=0)),
    "a burial of what runs": buried(RUNNING),
    "a burial of what was cancelled and runs": buried(
        RUNNING._replace(version=2, state="deleted", finished_at=NOW, key_held=0)
    ),
}

BAD = {
    "one_owner": claimed(
        WAITING._replace(locked_by="v", lease_until=LATER), RUNNING, CLAIM
    ),
    "never_early": claimed(WAITING._replace(due_at=NOW + 1), RUNNING),
    "claims_are_leased": claimed(WAITING, RUNNING._replace(lease_until=LATER - 1)),
    "stale_hands_change_nothing": moved(RUNNING._replace(fence=2), DONE._replace(fence=2)),
    "outcomes_name_their_claim": moved(
        RUNNING, DONE._replace(detail='{"result":"(claim v/1)"}')
    ),
    "rescue_takes_orphans": moved(RUNNING, RESCUED, Who("v", "rescues")),
    "leases_last_until_the_end": moved(
        RUNNING, DONE._replace(state="deleted", detail="{}"), Who("a client", "cancels")
    ),
    "who_waits_is_free": moved(RUNNING, RESCUED._replace(lease_until=LATER)),
    "final_is_final": moved(DONE, RESCUED._replace(version=3), Who("v", "watches")),
    "deleted_for_good": moved(
        DONE._replace(state="deleted"), RESCUED._replace(version=3), Who("a client", "retries")
    ),
    "only_the_late_expire": moved(
        EXPIRED._replace(expires_at=NOW + 1), OUT._replace(expires_at=NOW + 1), Who("w", "expires")
    ),
    "kept_as_long_as_asked": removed(
        SHORT, Who("w", "purges"), Overdue(NOW + 1_000_000)
    ),
    "a_run_notes_for_itself": held(
        RUNNING, RUNNING._replace(lease_until=LATER + 1, notes="(claim v/1)"), notes="(claim v/1)"
    ),
    "followups_come_once": moved(FRUITLESS, FAILED),
    "slots_move_with_their_jobs": issued(NOW, place=False),
    "slots_go_by_the_rule": issued(SLOT),
    "none_overlap": issued(NOW, was=ALONE, before=[RUNNING]),
    "places_are_kept": rewritten(record(), record(GONE_ON)),
    "attempts_are_counted": moved(RUNNING, BACK),
    "keys_have_one_holder": moved(RUNNING, DONE._replace(key_held=2)),
    "what_was_given_stays": moved(RUNNING, DONE._replace(payload="[[1],{}]")),
    "updates_compare": moved(
        WAITING._replace(version=1),
        WAITING._replace(version=2, metadata='{"note":1}'),
        Who("a client", "updates", read=0),
    ),
    "fences_and_versions_rise": moved(RUNNING, DONE._replace(version=1)),
    "answers_are_true": moved(RUNNING, RUNNING),
    "changes_only_what_it_names": removed(DONE, Who("w", "purges"), Finished("succeeded", 0)),
    "best_first": claimed(WAITING, RUNNING, others=[BETTER]),
    "permits_are_kept": claimed(LIMITED, took(LIMITED), others=[FIRST]),
    "rates_are_kept": started(NOW - 9, NOW - 9),
    "paused_queues_rest": claimed(WAITING, RUNNING)._replace(shared=Shared(paused={"default"})),
    "who_waits_is_woken": ended(WAITER),
}  # fmt: skip

MORE = {
    "one_owner": claimed(WAITING._replace(worker="v", lease_until=NOW + 1), RUNNING),
    "never_early": claimed(DONE, RUNNING),
    "claims_are_leased": claimed(WAITING, RUNNING._replace(fence=0)),
    "stale_hands_change_nothing": held(
        RUNNING._replace(worker="v"), RUNNING._replace(worker="v", lease_until=LATER + 1)
    ),
    "rescue_takes_orphans": moved(LAPSED, LAPSED._replace(version=2), Who("v", "rescues")),
    "who_waits_is_free": moved(WAITING, RUNNING._replace(lease_until=None)),
    "final_is_final": removed(RUNNING, Who("w", "purges")),
    "only_the_late_expire": moved(
        RUNNING._replace(expires_at=NOW), OUT._replace(version=2), Who("w", "expires")
    ),
    "kept_as_long_as_asked": moved(BRIEF, SHORT._replace(purge_at=None)),
    "a_run_notes_for_itself": moved(RUNNING, DONE._replace(notes="more")),
    "followups_come_once": moved(RUNNING, DONE, then=(TOLD,)),
    "slots_move_with_their_jobs": issued(NOW, following="1970-01-01T00:16:40+00:00"),
    "slots_go_by_the_rule": issued(),
    "none_overlap": issued(SLOT, NOW, was=ALONE, before=[DONE], ended=SLOT),
    "places_are_kept": rewritten(None, record("1970-01-01T00:20:00+00:00")),
    "attempts_are_counted": claimed(
        WAITING._replace(attempt=2), RUNNING._replace(attempt=3)
    ),
    "keys_have_one_holder": moved(
        RUNNING, RESCUED._replace(key_held=0), Who("w", "records", MINE)
    ),
    "what_was_given_stays": moved(RUNNING, DONE._replace(priority=1)),
    "fences_and_versions_rise": moved(RUNNING, DONE._replace(fence=0, detail="{}")),
    "answers_are_true": Call(
        "insert", ([WAITING], None), Inserted([1], []), {},
        store(WAITING._replace(payload="[[1],{}]")), NOW, Who("a client", "enqueues"),
    ),
    "changes_only_what_it_names": moved(RUNNING, DONE, verdict=Verdict.STALE),
    "best_first": claimed(LIMITED, None),
    "permits_are_kept": held(
        RUNNING, RUNNING._replace(lease_until=LATER + 1)
    )._replace(
        before=store(FIRST._replace(lease_until=NOW), took(LIMITED)),
        after=store(FIRST, took(LIMITED)),
    ),
    "who_waits_is_woken": ended(WOKEN, left=1),
}  # fmt: skip

SHARED = {
    "though one failed": ended(WOKEN, failed=1),
    "twice": ended(WOKEN._replace(version=2)),
    "never, as it is stored": enqueued_after(WAITER),
    "too early, as it is stored": enqueued_after(WAITER._replace(due_at=0), batch_n=1),
}


@pytest.mark.parametrize("name", SHARED)
def test_who_waits_is_not_woken(name):
    assert [*sharing.who_waits_is_woken(SHARED[name])]


LOCKS = {
    "one_owner": held(
        RUNNING, RUNNING._replace(fence=2, worker="v", lease_until=LATER + 1), None, "v", "locks"
    ),
    "answers_are_true": held(WAITING, WAITING, None, "v", "locks"),
    "stale_hands_change_nothing": Call(
        "let_go", ("a", "v", NOW), Verdict.DONE, store(RUNNING),
        store(RUNNING._replace(lease_until=NOW)), NOW, Who("v", "unlocks"),
    ),
}  # fmt: skip


SLOTS = {
    "before its time": issued(
        NOW + 10**8, was=record(GONE_ON), following="1970-01-01T00:20:00+00:00"
    ),
    "while it is paused": issued(NOW, was=record(paused=True)),
    "too far": issued(NOW, following="1970-01-01T00:20:00+00:00"),
    "not far enough": issued(NOW, following="1970-01-01T00:16:40+00:00"),
    "all but the oldest": issued(NOW, was=ALL),
    "what was missed": issued(NOW, was=record(catch_up="none")),
    "nothing, though it was not missed": issued(
        was=record("1970-01-01T00:16:40+00:00", catch_up="none")
    ),
    "nothing, though the one before has ended": issued(was=ALONE, before=[DONE], ended=SLOT),
    "what is no slot": issued(NOW - 1),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOTS)
def test_a_schedule_issues_nothing_else(name):
    assert [*slots.slots_go_by_the_rule(SLOTS[name])]


PLACES = {
    "no time of its rule": (None, record("1970-01-01T00:17:00+00:00")),
    "later than a pause needs": (record(paused=True), record("1970-01-01T00:20:00+00:00")),
    "from now on": (record(), record("1970-01-01T00:18:20+00:00", catch_up="all")),
}


def test_a_pause_is_not_made_up_for():
    late = rewritten(record(paused=True), record(), "resumes")
    assert [*slots.places_are_kept(late._replace(who=Who("c", "resumes", since=SLOT)))]
    assert not [*slots.places_are_kept(late._replace(who=Who("c", "resumes", since=SLOT - 1)))]


@pytest.mark.parametrize("name", PLACES)
def test_a_schedule_is_in_its_place(name):
    assert [*slots.places_are_kept(rewritten(*PLACES[name]))]


def test_a_rule_of_minutes_is_walked():
    walk = slots.after({"cron": "*/20 * * * *", "timezone": "UTC"}, 0)
    assert [next(walk) // slots.MINUTE for _ in range(4)] == [20, 40, 60, 80]
    with pytest.raises(ValueError, match="knows no cron rule"):
        next(slots.after({"cron": "0 9 * * *", "timezone": "UTC"}, 0))


def test_a_spread_is_a_share_by_name():
    some = [slots.offset(record(name=name, spread=30.0)) for name in "abcdefgh"]
    assert len(set(some)) == 8
    assert all(0 <= one < 30_000_000 for one in some)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_call_breaks_no_law(name):
    assert laws.broken(GOOD[name]) is None


@pytest.mark.parametrize(("name", "call"), [*BAD.items(), *MORE.items(), *LOCKS.items()])
def test_a_law_names_what_breaks_it(name, call):
    [law] = [law for law in LAWS if law.__name__ == name]
    assert [*law(call)], name
    assert laws.broken(call) is not None


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_law_has_an_example_and_says_itself_in_a_sentence(law):
    assert law.__name__ in BAD
    assert law.__doc__.endswith(".")


def test_the_worst_is_told_first_with_its_law():
    law = "A job is claimed or locked only while nobody else holds it"
    assert laws.broken(BAD["one_owner"]) == f"{law}: a was given to w, and v holds it"


def test_a_difference_names_the_columns():
    assert difference(WAITING, WAITING._replace(fence=3)) == "fence should be 0, is 3"


def test_what_was_stored_otherwise_is_told_by_its_columns():
    def stored(*rows):
        order = ([WAITING], None)
        return Call("insert", order, Inserted([1], []), {}, store(*rows), NOW, Who("c", "enqueues"))

    given = WAITING._replace(seq=1)
    assert [*records.answers_are_true(stored(given))] == []
    assert [*records.answers_are_true(stored())] == ["a was not stored"]
    assert [*records.answers_are_true(stored(given._replace(priority=7)))] == [
        "a was stored other than it was given: priority should be 0, is 7"
    ]


def test_who_is_stored_with_what_comes_after_it_counts_for_that():
    child = WAITER._replace(awaits="job/b")
    given = [WAITING, child]
    stored = store(WAITING._replace(seq=1, counts='["job/b"]'), child)
    call = Call(
        "insert", (given, None), Inserted([1, 2], []), {}, stored, NOW, Who("c", "enqueues")
    )
    assert [*records.answers_are_true(call)] == []
    other = call._replace(after=store(WAITING._replace(seq=1, counts='["job/c"]'), child))
    assert "counts should be None" in next(records.answers_are_true(other))


def test_only_a_run_is_buried():
    assert [*laws.claims.stale_hands_change_nothing(buried(LOCKED._replace(worker="w")))]
    assert [*laws.claims.stale_hands_change_nothing(buried(RUNNING._replace(worker="v")))]
