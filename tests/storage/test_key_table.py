"""The tables of docs/keys.rst, who holds a key and when, checked cell by cell on every storage."""

from datetime import timedelta

import attrs
import pytest

from qml import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    Job,
    JobLost,
    Processing,
    RetryPolicy,
    Scheduled,
    Succeeded,
    UniqueKeyTaken,
)
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "keys.rst").read_text(encoding="utf-8")
SCOPES = ("unfinished", "queued")


def table(label):
    """The rows below a label, without the head: what stands in each cell."""
    text = PAGE.partition(f".. _{label}:\n")[2].partition(".. list-table::\n")[2]
    rows = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            break
        if line.startswith("   * - "):
            rows.append([line[7:].strip()])
        elif line.startswith("     - "):
            rows[-1].append(line[7:].strip())
    return rows[1:]


def cells(label):
    """(what, of what, scope, what is promised), a test each."""
    return [
        (first, second, scope, promised)
        for first, second, *both in table(label)
        for scope, promised in zip(SCOPES, both, strict=True)
    ]


# -- a job in each state ---------------------------------------------------------------------------


def of_kind(kind, now):
    soon = now + timedelta(seconds=5)
    return {
        "Enqueued": Enqueued(now),
        "Scheduled": Scheduled(now, soon),
        "AwaitingRetry": AwaitingRetry(now, soon, 1),
        "Processing": Processing(now, "w", "s"),
        "Succeeded": Succeeded(now),
        "Failed": Failed(now, "E"),
        "Deleted": Deleted(now),
    }[kind]


def keyed(scope, **settings):
    return Job("t", id="a", unique_key="k", unique_while=scope, max_retries=2, **settings)


def whose(storage):
    """Who holds the key, as the page says it; and a new job is told the same."""
    holder = storage.driver.holder("k")
    probe = Job("probe", unique_key="k")
    found = storage.enqueue(probe, on_conflict="existing")
    assert found.id == (holder or probe.id)
    if holder is None:
        storage.delete(probe.id)
    return {None: "free", "a": "held"}.get(holder, "another's")


def stored_as(storage, kind, scope):
    """Stored in this state, and never claimed."""
    storage.enqueue(keyed(scope, state=of_kind(kind, storage.now())))


def brought_to(storage, kind, scope):
    """Claimed, and then brought into this state."""
    storage.enqueue(keyed(scope))
    claimed = storage.fetch_and_lock_job("w")
    if kind == "Scheduled":
        waits = storage.release(claimed)
        storage.update(waits.with_state(of_kind(kind, storage.now())))
    elif kind != "Processing":
        storage.finish(claimed, of_kind(kind, storage.now()))


@pytest.mark.parametrize(("kind", "claimed", "scope", "promised"), cells("key-states"))
def test_a_state(storage, kind, claimed, scope, promised):
    {"no": stored_as, "yes": brought_to}[claimed](storage, kind, scope)
    assert storage.get("a").state.kind == of_kind(kind, storage.now()).kind
    assert (storage.get("a").fence > 0) == (claimed == "yes")
    assert whose(storage) == promised


# -- what an operation does ------------------------------------------------------------------------

RETRIES = RetryPolicy(base=1)
LATER = 40.0
"""Seconds: after it, a lease has lapsed and what waits for a retry is due."""


def waits(storage, clock, scope):
    storage.enqueue(keyed(scope, expires_at=storage.now() + timedelta(seconds=3600)))


def waits_locked(storage, clock, scope):
    waits(storage, clock, scope)
    storage.try_acquire_job_lock("a", "w", 60)


def runs(storage, clock, scope):
    waits(storage, clock, scope)
    return storage.fetch_and_lock_job("w")


def lapsed(storage, clock, scope):
    runs(storage, clock, scope)
    clock.advance(LATER)


def lapsed_for_good(storage, clock, scope):
    lapsed(storage, clock, scope)
    while storage.get("a").attempt < storage.get("a").max_attempts:
        storage.rescue()
        clock.advance(LATER)
        storage.fetch_and_lock_job("w")
        clock.advance(LATER)


def twin(storage, scope="unfinished"):
    storage.enqueue(Job("t", id="twin", unique_key="k", unique_while=scope))


def lapsed_beside_a_twin(storage, clock, scope):
    lapsed(storage, clock, scope)
    twin(storage)


def ended(storage, clock, scope):
    claimed = runs(storage, clock, scope)
    storage.finish(claimed, Succeeded())
    return claimed


def ended_beside_a_twin(storage, clock, scope):
    claimed = ended(storage, clock, scope)
    twin(storage)
    return claimed


def failed(storage, clock, scope):
    storage.finish(runs(storage, clock, scope), Failed(exception="E"))


def failed_beside_a_twin(storage, clock, scope):
    failed(storage, clock, scope)
    twin(storage)


def awaiting(storage, clock, scope):
    state = of_kind("AwaitingRetry", storage.now())
    storage.finish(runs(storage, clock, scope), state)


def is_scheduled(storage, clock, scope):
    storage.enqueue(keyed(scope, state=of_kind("Scheduled", storage.now())))


SITUATIONS = {
    "waits": waits,
    "waits, locked": waits_locked,
    "runs": runs,
    "lapsed, and has attempts left": lapsed,
    "lapsed in its last attempt": lapsed_for_good,
    "lapsed, and a twin has the key": lapsed_beside_a_twin,
    "has ended": ended,
    "has ended, and a twin has the key": ended_beside_a_twin,
    "is Failed": failed,
    "is Failed, and a twin has the key": failed_beside_a_twin,
    "is AwaitingRetry": awaiting,
    "is Scheduled": is_scheduled,
}
"""How a job comes to be what the second column says; the claim that was given, if one was."""


def rewritten(storage, **changes):
    return storage.update(attrs.evolve(storage.get("a"), **changes))


def finish(kind):
    return lambda s, clock, claim: s.finish(claim, of_kind(kind, s.now()))


def stale(storage, clock, claim):
    with pytest.raises(JobLost):
        storage.finish(claim, Failed(exception="late"))


def done(answer):
    assert answer, f"it was not done: {answer!r}"


OPERATIONS = {
    "claim": lambda s, clock, claim: done(s.fetch_and_lock_job("w")),
    "finish: Succeeded": finish("Succeeded"),
    "finish: Failed": finish("Failed"),
    "finish: Deleted (Discard)": finish("Deleted"),
    "finish: AwaitingRetry": finish("AwaitingRetry"),
    "finish: Enqueued": finish("Enqueued"),
    "finish by a stale hand": stale,
    "release (Snooze)": lambda s, clock, claim: s.release(claim, 5),
    "renew": lambda s, clock, claim: done(s.renew([claim]) == [True]),
    "rescue": lambda s, clock, claim: done(s.rescue()),
    "cancel": lambda s, clock, claim: s.cancel("a"),
    "delete": lambda s, clock, claim: done(s.delete("a")),
    "expire": lambda s, clock, claim: (clock.advance(3600), done(s.expire())),
    "purge": lambda s, clock, claim: (clock.advance(100 * 86_400), done(s.purge())),
    "retry": lambda s, clock, claim: s.retry("a"),
    "lock": lambda s, clock, claim: done(s.try_acquire_job_lock("a", "w2", 60)),
    "unlock": lambda s, clock, claim: done(s.release_job_lock("a", "w")),
    "update of metadata": lambda s, clock, claim: rewritten(s, metadata={"n": 1}),
    "update to another key": lambda s, clock, claim: rewritten(s, unique_key="other"),
    "update to Failed": lambda s, clock, claim: s.update(s.get("a").with_state(Failed())),
}


@pytest.mark.parametrize(("verb", "situation", "scope", "promised"), cells("key-operations"))
def test_an_operation(make_storage, clock, verb, situation, scope, promised):
    storage = make_storage(clock, retry=RETRIES)
    if promised == r"\-":  # the key is held: there can be no twin that has it
        with pytest.raises(UniqueKeyTaken):
            SITUATIONS[situation](storage, clock, scope)
        return
    claim = SITUATIONS[situation](storage, clock, scope)
    if promised == "UniqueKeyTaken":
        before = storage.list()
        with pytest.raises(UniqueKeyTaken):
            OPERATIONS[verb](storage, clock, claim)
        assert storage.list() == before
        return
    was = whose(storage)
    OPERATIONS[verb](storage, clock, claim)
    assert f"{was} → {whose(storage)}" == promised


def test_the_page_has_every_state_and_every_operation():
    kinds = {(kind, claimed) for kind, claimed, *_ in table("key-states")}
    seven = (
        "Enqueued",
        "Scheduled",
        "AwaitingRetry",
        "Processing",
        "Succeeded",
        "Failed",
        "Deleted",
    )
    assert kinds == {(kind, claimed) for kind in seven for claimed in ("no", "yes")}
    operations = table("key-operations")
    assert {verb for verb, *_ in operations} == set(OPERATIONS)
    assert {situation for _, situation, *_ in operations} == set(SITUATIONS)
