"""Each law lets a good call pass, and names one that breaks it."""

import pytest

from qml.seam.rows import Claim, Claimed, Finished, Hold, Inserted, Move, Row, Verdict
from qml.testing import laws
from qml.testing.laws import LAWS, Call, End, Who
from qml.testing.laws.calls import difference

NOW = 1_000_000_000
LATER = NOW + 30_000_000

WAITING = Row(
    seq=1, id="a", version=0, state="enqueued", queue="default", priority=0, method="task",
    attempt=0, fence=0, max_attempts=2, ahead=0, worker=None, locked_by=None, lease_until=None,
    due_at=0, finished_at=None, created_at=0, key_held=2, unique_key="k",
    unique_while="unfinished", max_retries=None, timeout_seconds=None, job_type=None, detail="{}",
    failures="[]", metadata="{}", payload="[[],{}]",
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


def moved(was, now, who=None, verdict=Verdict.DONE):
    move = Move(
        was.id, was.seq, was.version, None, now.state, now.detail, now.failures, now.attempt,
        now.max_attempts, now.ahead, now.due_at, now.finished_at, now.key_held, True,
    )  # fmt: skip
    who = who or Who("w", "records", MINE)
    return Call("swap", [move], [verdict], store(was), store(now), NOW, who)


def held(was, now, fence=1, worker="w", acts="renews"):
    order = Hold("a", 1, worker, fence, NOW, LATER + 1)
    who = Who(worker, acts)
    return Call("hold", [order], [Verdict.DONE], store(was), store(now), NOW, who)


def removed(was, who, target=("a",)):
    return Call("erase", target, 1, store(was), {}, NOW, who)


GOOD = {
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
        "insert", [WAITING], Inserted([1], []), {}, store(WAITING), NOW, Who("a client", "enqueues")
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
    "attempts_are_counted": claimed(
        WAITING._replace(attempt=2), RUNNING._replace(attempt=3)
    ),
    "keys_have_one_holder": moved(
        RUNNING, RESCUED._replace(key_held=0), Who("w", "records", MINE)
    ),
    "what_was_given_stays": moved(RUNNING, DONE._replace(priority=1)),
    "fences_and_versions_rise": moved(RUNNING, DONE._replace(fence=0, detail="{}")),
    "answers_are_true": Call(
        "insert", [WAITING], Inserted([1], []), {}, store(WAITING._replace(payload="[[1],{}]")),
        NOW, Who("a client", "enqueues"),
    ),
    "changes_only_what_it_names": moved(RUNNING, DONE, verdict=Verdict.STALE),
}  # fmt: skip

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
