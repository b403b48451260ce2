"""``current_job().check()``: a run learns that it is for nothing, and ends without a stir."""

import contextvars
import logging
import threading

import pytest

from qml import Job, JobCancelled, JobLost, JobTimeout, RetryPolicy, current_job
from qml.work.executor import Raised, Snoozed, execute
from qml.work.runs import Run
from tests.work.support import Gate, eventually


class Task:
    """A task for the executor alone."""

    retry, middleware = RetryPolicy(), ()

    def __init__(self, function):
        self.function = function

    def fate(self, error, attempt):
        return ()


def ended(run, function):
    """The outcome of a run whose task is ``function``."""
    return execute(run, {"t": Task(function)}, 1000)


# -- what it raises ------------------------------------------------------------------------------


def test_it_goes_on_while_all_is_well():
    run = Run(Job("t", timeout_seconds=5))
    run.start()
    run.check()
    assert run.remaining() > 0


@pytest.mark.parametrize(
    ("flag", "error", "says"),
    [
        ("cancelled", JobCancelled, "was cancelled while it ran; stop here"),
        ("lost", JobLost, "its claim is over"),
        ("overdue", JobTimeout, "attempt 0 ran longer than 5 s; stop here"),
    ],
)
def test_it_says_why(flag, error, says):
    run = Run(Job("t", timeout_seconds=5, id="an-id"))
    run.start()
    setattr(run, flag, True)
    with pytest.raises(error, match=f"job an-id \\(t\\).*{says}") as caught:
        run.check()
    assert caught.value.job_id == "an-id"


def test_a_cancel_counts_before_a_loss_and_a_timeout():
    run = Run(Job("t", timeout_seconds=5))
    run.cancelled = run.lost = run.overdue = True
    with pytest.raises(JobCancelled):
        run.check()


def test_a_timeout_is_a_timeout_error():
    assert issubclass(JobTimeout, TimeoutError)


def test_what_remains_counts_down_to_zero():
    seconds = [10.0]
    run = Run(Job("t", timeout_seconds=5), lambda: seconds[0])
    seconds[0] = 12.0  # it waited for a thread
    run.start()
    for now, left in ((12.0, 5.0), (16.5, 0.5), (16.999, None)):
        seconds[0] = now
        run.check()
        if left is not None:
            assert run.remaining() == left
    for now in (17.0, 99.0):
        seconds[0] = now
        assert run.remaining() == 0.0
        with pytest.raises(JobTimeout):
            run.check()


def test_without_a_limit_nothing_runs_out(memory_app):
    seen = []

    @memory_app.task
    def task():
        me = current_job()
        me.check()
        seen.append((me.remaining, me.slot, me.schedule))

    task.enqueue()
    memory_app.server().step()
    assert seen == [(None, None, None)]


def test_a_recurring_job_knows_its_slot(memory_app, clock):
    seen = []
    task = memory_app.task(name="t")(
        lambda: seen.append((current_job().schedule, current_job().slot))
    )
    slot = clock.now()
    task.enqueue()
    memory_app.storage.enqueue(Job("t", schedule="nightly", slot=slot))
    memory_app.server().step()
    assert seen == [(None, None), ("nightly", slot)]


# -- what becomes of a task that lets it out -----------------------------------------------------


def test_a_timeout_let_out_is_the_failure_that_the_server_would_record():
    run = Run(Job("t", timeout_seconds=5))

    def task():
        run.deadline -= 5
        current_job().check()

    outcome = ended(run, task)
    assert isinstance(outcome, Raised)
    assert outcome.exception == f"TimeoutError: {run.too_long()}"
    assert (outcome.delay, outcome.final) == (None, False)
    assert "in task" in outcome.traceback  # where it was, which a server cannot know


@pytest.mark.parametrize("flag", ["cancelled", "lost"])
def test_a_loss_let_out_is_no_failure(flag):
    run = Run(Job("t"))

    def task():
        setattr(run, flag, True)
        current_job().check()

    assert ended(run, task) == Snoozed(0.0)


def test_the_same_about_another_job_is_a_failure_like_any():
    def task():
        raise JobLost("job other is gone", job_id="other")

    outcome = ended(Run(Job("t")), task)
    assert outcome.exception == "qml.JobLost: job other is gone"


def test_a_timeout_is_retried_like_one_that_the_server_saw(app, clock):
    @app.task(timeout_seconds=1000, max_retries=1)
    def task():
        current_job()._run.deadline -= 1000
        while True:
            current_job().check()

    job = task.enqueue()
    for state in ("awaiting_retry", "failed"):
        app.server().step()
        assert app.storage.get(job.id).state.kind == state
        clock.advance(100)
    failures = app.storage.get(job.id).failures
    assert [failure.exception for failure in failures] == [
        f"TimeoutError: attempt {attempt} ran longer than 1000 s" for attempt in (1, 2)
    ]


def test_a_cancelled_job_ends_quietly_and_frees_its_lease(app, caplog):
    caplog.set_level(logging.INFO, "qml")
    gate = Gate()

    @app.task
    def task():
        gate.arrived.release()
        while True:
            current_job().check()
            gate._open.wait(0.02)

    job = task.enqueue()
    with app.server(threads=1):
        gate.someone_waits()
        app.storage.cancel(job.id, "not needed")
        eventually(lambda: app.storage.get(job.id).lease_expires_at is None, every=0.02)
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.state.reason) == ("deleted", "not needed")
    assert stored.failures == ()
    assert "was cancelled, and its run has ended" in caplog.text
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_law5_a_lost_run_that_stops_changes_nothing(memory_app, clock, caplog):
    app, gate = memory_app, Gate()

    @app.task
    def task():
        gate.wait()
        current_job().check()

    job = task.enqueue()
    with app.server(threads=1) as server:
        gate.someone_waits()
        clock.advance(31)
        app.storage.rescue()
        clock.advance(10)
        other = app.storage.fetch_and_lock_job("other")
        [run] = server.runs.held()
        run.lost = True
        gate.open()
        eventually(lambda: not server.runs.held())
        assert app.storage.get(job.id) == other
    assert "Traceback" not in caplog.text


def test_a_run_marked_lost_that_holds_its_claim_is_handed_back(app):
    """As after a stop during an outage: the mark was set, and the store never heard of it."""

    @app.task
    def task():
        current_job()._run.lost = True
        current_job().check()

    job = task.enqueue()
    app.server().step()
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.attempt, stored.failures) == ("enqueued", 0, ())


# -- from which threads --------------------------------------------------------------------------


def test_helper_threads_may_use_it(memory_app):
    app = memory_app
    seen = []

    def with_the_object(me):
        me.log("handed over")
        me.progress(0.25)
        me.check()
        seen.append((me.id, current_job()))

    def with_the_context():
        current_job().log("by its context")
        seen.append((current_job().id, None))

    @app.task
    def task():
        context = contextvars.copy_context()
        for target, arguments in (
            (with_the_object, (current_job(),)),
            (context.run, (with_the_context,)),
        ):
            thread = threading.Thread(target=target, args=arguments)
            thread.start()
            thread.join(30)

    job = task.enqueue()
    app.server().step()
    assert seen == [(job.id, None), (job.id, None)]
    notes = app.storage.get(job.id).notes
    assert [line.text for line in notes.log] == ["handed over", "by its context"]
    assert notes.progress.fraction == 0.25


def test_a_helper_thread_that_outlives_its_job_does_no_harm(memory_app):
    app, kept = memory_app, []
    job = app.task(name="t")(lambda: kept.append(current_job())).enqueue()
    server = app.server()
    server.step()
    before = app.storage.get(job.id)
    [me] = kept
    me.progress(0.9)
    me.log("too late")
    me.check()
    server.keeper.note()
    assert app.storage.get(job.id) == before
