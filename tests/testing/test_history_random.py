"""Random runs of one thread, told as if calls overlapped: accepted, and rejected once edited."""

import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from qml import AwaitingRetry, Failed, Job, ManualClock, RetryPolicy, Succeeded, connect
from qml.testing import StorageMachine
from qml.testing.history import History
from qml.testing.history.journal import calls as noted
from qml.testing.history.verdict import judge
from qml.testing.machine import usual_settings
from qml.values.errors import QmlError

EVERY = 1_000
"""Microseconds from one call to the next."""


class Run:
    """One thread that asks a storage for whatever comes to mind, the clock turned by hand."""

    def __init__(self, storage, clock):
        self.storage, self.clock = storage, clock
        self.claims = []

    def enqueue(self, pick, worker):
        self.storage.enqueue_many(
            [Job("t", id=f"{pick}"), Job("t", id=f"{pick + 9}")][: worker + 1]
        )

    def claim(self, pick, worker):
        self.claims += self.storage.claim(f"w{worker}", 1, ahead=pick % 2, lease_seconds=2).jobs

    def a_claim(self, pick):
        return self.claims[-1 - pick % len(self.claims)]

    def finish(self, pick, worker):
        late = AwaitingRetry(retry_at=self.storage.now())
        state = (Succeeded(result=pick), Failed(exception="no"), late)[worker]
        self.storage.finish_many([(self.a_claim(pick), state)])

    def release(self, pick, worker):
        self.storage.release_many([self.a_claim(pick)], worker or None)

    def renew(self, pick, worker):
        self.storage.renew(self.claims, 1 + worker)

    def rescue(self, pick, worker):
        self.storage.rescue(pick)

    def lock(self, pick, worker):
        self.storage.try_acquire_job_lock(f"{pick}", f"w{worker}", 3)

    def unlock(self, pick, worker):
        self.storage.release_job_lock(f"{pick}", f"w{worker}")

    def end_claims(self, pick, worker):
        self.storage.end_claims(f"w{worker}")

    def cancel(self, pick, worker):
        self.storage.cancel(f"{pick}")

    def retry(self, pick, worker):
        self.storage.retry(f"{pick}")

    def update(self, pick, worker):
        self.storage.update(self.storage.get(f"{pick}"))

    def delete(self, pick, worker):
        self.storage.delete(f"{pick}")

    def advance(self, pick, worker):
        self.clock.advance(pick)


VERBS = [name for name in vars(Run) if not name.startswith(("_", "a_"))]

steps = st.lists(
    st.tuples(st.sampled_from(VERBS), st.integers(0, 3), st.integers(0, 2)), min_size=5, max_size=40
)


def run(steps):
    """The calls of a run, in their order."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder:
        history = History(folder)
        storage = history.record(
            connect("memory://", clock=clock, retry=RetryPolicy(max_retries=2, base=0))
        )
        one = Run(storage, clock)
        for verb, pick, worker in steps:
            try:
                getattr(one, verb)(pick, worker)
            except (QmlError, AttributeError, ZeroDivisionError, IndexError):
                continue  # there is no such job, or no claim yet
        history.final(storage)
        return list(noted(Path(folder)))


def overlapping(calls, chance, spread):
    """The same calls, each begun a little earlier and ended a little later. Nobody else uses the
    store when it is looked at in the end."""
    spreading = [
        call._replace(
            began=at - chance.randint(0, spread),
            ended=at + chance.randint(0, spread),
        )
        for call, at in zip(calls, count(1_000_000, EVERY))
    ]
    *others, final = spreading
    alone = max([final.began, *(call.ended + 1 for call in others)])
    return [*others, final._replace(began=alone, ended=alone + 1)]


def faults(calls):
    verdict = judge(calls, drained=False, allowance=0.0)
    assert verdict.undecided == 0
    return verdict.faults


FEW = max(1, settings().max_examples // 8)
"""Examples of each edit."""

chances = st.randoms(use_true_random=False)
spreads = st.integers(0, 5 * EVERY)


@given(steps, chances, spreads)
def test_what_one_thread_did_is_accepted(steps, chance, spread):
    assert faults(overlapping(run(steps), chance, spread)) == []


@given(steps, chances, spreads)
def test_replies_that_nobody_heard_take_nothing_away(steps, chance, spread):
    calls = overlapping(run(steps), chance, spread)
    unheard = [
        call._replace(ended=None, late=None, reply=None)
        if call.verb not in ("read", "final") and chance.random() < 0.1
        else call
        for call in calls
    ]
    assert faults(unheard) == []


# -- edits, of which each makes a history that cannot be -------------------------------------------


def changed(calls, index, place, **facts):
    """The same calls, but the reply to one of them tells something else of a job."""
    call = calls[index]
    told = list(call.reply["told"])
    names = ("id", "kind", "version", "attempt", "fence")
    job = list(told[place])
    for name, change in facts.items():
        job[names.index(name)] = change(job[names.index(name)])
    told[place] = job
    return [*calls[:index], call._replace(reply={"told": told}), *calls[index + 1 :]]


def told_in(calls, verb):
    """Where a call of this verb tells of a job: the call's place, and the job's in its reply."""
    return [
        (index, place)
        for index, call in enumerate(calls)
        if call.verb == verb and "told" in call.reply
        for place, facts in enumerate(call.reply["told"])
        if facts
    ]


def one_of(found, chance):
    """One of them; a run in which there is none says nothing."""
    assume(found)
    return chance.choice(found)


def raised(name, verb):
    def edit(calls, chance):
        index, place = one_of(told_in(calls, verb), chance)
        return changed(calls, index, place, **{name: lambda number: number + 1})

    return edit


def another_state_in_the_store(calls, chance):
    index, place = one_of(told_in(calls, "final"), chance)
    swapped = {"succeeded": "failed"}
    return changed(calls, index, place, kind=lambda kind: swapped.get(kind, "succeeded"))


def lost(calls, chance):
    index, place = one_of(told_in(calls, "final"), chance)
    told = list(calls[index].reply["told"])
    del told[place]
    return [*calls[:index], calls[index]._replace(reply={"told": told})]


def claimed_again(calls, chance):
    """The same reply to another worker, at the end."""
    index, place = one_of(told_in(calls, "claim"), chance)
    call, final = calls[index], calls[-1]
    told = [call.reply["told"][place]]
    again = call._replace(number=9_999, began=final.ended + 1, ended=final.ended + 2)
    return [*calls, again._replace(reply={"told": told})]


def never_enqueued(calls, chance):
    index, place = one_of(told_in(calls, "final"), chance)
    job = calls[index].reply["told"][place][0]
    return [
        call
        for call in calls
        if call.verb != "enqueue" or job not in [facts[0] for facts in call.given]
    ]


EDITS = {
    "a claim's fence": raised("fence", "claim"),
    "a claim's attempt": raised("attempt", "claim"),
    "a claim's version": raised("version", "claim"),
    "an end's version": raised("version", "finish"),
    "the fence in the store": raised("fence", "final"),
    "the state in the store": another_state_in_the_store,
    "a lost job": lost,
    "a claim given twice": claimed_again,
    "a job from nowhere": never_enqueued,
}


@pytest.mark.parametrize("edit", EDITS)
@settings(max_examples=FEW, suppress_health_check=[HealthCheck.filter_too_much])
@given(steps, chances, spreads)
def test_one_edit_is_rejected(edit, steps, chance, spread):
    calls = overlapping(run(steps), chance, spread)
    assert faults(EDITS[edit](calls, chance)) != []


# -- the machine of all storages -------------------------------------------------------------------


def test_whatever_the_machine_does_is_accepted(tmp_path):
    """Each run of StorageMachine on a recorded storage is a history that can be."""
    histories = []

    def recorded(clock):
        histories.append(History(tmp_path / f"{len(histories)}"))
        return histories[-1].record(connect("memory://", clock=clock))

    StorageMachine.run(recorded, settings=usual_settings(max_examples=15, stateful_step_count=30))
    verdicts = [history.judge(drained=False) for history in histories]
    assert [fault for verdict in verdicts for fault in verdict.faults] == []
    assert sum(verdict.undecided for verdict in verdicts) == 0
    assert sum(verdict.operations for verdict in verdicts) > 100
