"""Claims that a server holds: whether they may begin, and how they go back."""

from datetime import timedelta

import pytest

from qml import Job, StateKind, StorageUnavailable
from qml.work.runs import Run
from tests.work.support import Failing


@pytest.fixture
def server(memory_app):
    memory_app.task(name="t")(lambda: None)
    return memory_app.server(threads=1, lease_seconds=600)


@pytest.fixture
def run(memory_app, server):
    """A claimed run whose lease was not renewed within its term."""
    memory_app.storage.enqueue(Job("t", id="a"))
    [run] = server.claimer.admit(server.claimer.claim(1, 0))
    run.renewed_at -= 600
    return run


def test_law5_a_question_without_an_answer_counts_as_no(memory_app, server, run):
    failing = memory_app.storage.driver = Failing(memory_app.storage.driver, {"hold": 1})
    assert not server.claimer.may_begin(run)
    assert failing.failed["hold"] == 1
    assert run.lost
    server.finisher.record([(run, server.execute(run))])  # back, uncharged
    stored = memory_app.storage.get("a")
    assert (stored.state.kind, stored.attempt) == (StateKind.ENQUEUED, 0)


def test_a_renewed_claim_is_not_asked_for(memory_app, server, run):
    run.renewed_at += 600
    memory_app.storage.driver = Failing(memory_app.storage.driver, {"hold": 1})
    assert server.claimer.may_begin(run)


def test_what_cannot_go_back_is_left_to_its_lease(memory_app, server, run, caplog):
    failing = memory_app.storage.driver = Failing(memory_app.storage.driver, {"swap": 1})
    failing.error = StorageUnavailable
    server.claimer.hand_back([run])
    assert run.lost
    assert run not in server.runs
    assert memory_app.storage.get("a").state.kind is StateKind.PROCESSING
    assert "come back when their leases lapse" in caplog.text


def test_law5_a_claim_that_is_still_held_is_renewed_for_its_own_term(
    memory_app, server, run, clock
):
    clock.advance(29)
    assert server.claimer.may_begin(run)
    assert not run.lost
    until = clock.now() + timedelta(seconds=600)
    assert memory_app.storage.get("a").lease_expires_at == until


def test_law5_a_claim_that_is_over_is_not_begun(memory_app, server, run):
    memory_app.storage.delete("a")
    assert not server.claimer.may_begin(run)
    assert run.lost


def test_what_a_run_takes_is_told_in_milliseconds(memory_app):
    seconds = [100.0]
    memory_app.storage.enqueue(Job("t", id="a"))
    run = Run(memory_app.storage.fetch_and_lock_job("w1"), lambda: seconds[0])
    assert run.duration_ms() == 0.0
    run.start()
    seconds[0] += 1.5
    assert run.duration_ms() == 1500.0


def test_a_task_is_given_arguments_and_kwargs(memory_app):
    given = []
    task = memory_app.task(name="t")(lambda *args, **kwargs: given.append((args, kwargs)))
    task.enqueue(1, "two", three=[3], four=None)
    assert memory_app.server(threads=1).step() == 1
    assert given == [((1, "two"), {"three": [3], "four": None})]
