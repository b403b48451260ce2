"""What exceptions mean for a job, and what follows when it is given up."""

from datetime import timedelta

import pytest

from qml import ConfigurationError, Followup, JobFailed, ManualClock, Qml, Retry, RetryPolicy
from qml.work.failing import Fate, give_up_on, retry_on

from .support import MAKERS


class Busy(OSError):
    """The other side asks for patience."""


class Gone(OSError):
    """The other side will never answer."""


@pytest.fixture(params=MAKERS)
def app(request, tmp_path):
    clock = ManualClock()
    with MAKERS[request.param](tmp_path, clock=clock) as storage:
        jobs = Qml(storage, retry=RetryPolicy(max_retries=3, base=10, factor=1))
        jobs.clock = clock
        yield jobs


def run(jobs, rounds=12, seconds=100):
    """Run what is due until nothing is, and let time pass between."""
    server = jobs.server(threads=2)
    for _ in range(rounds):
        while server.step():
            pass
        jobs.clock.advance(seconds)
        server.tick()


# -- the rule ------------------------------------------------------------------------------------


def test_every_exception_is_worth_another_attempt_unless_it_is_said():
    assert retry_on(None) is None
    assert give_up_on(()) == ()


@pytest.mark.parametrize("given", [Busy, (Busy,), [Busy, ValueError], {Busy: None}])
def test_retry_on_takes_a_class_or_several(given):
    rule = retry_on(given)
    assert rule.fate(Busy(), 1) == Fate()
    assert rule.fate(Gone(), 1) == Fate(final=True)


def test_the_nearest_class_counts():
    patient, hasty = (RetryPolicy(max_retries=9, base=base) for base in (60, 1))
    rule = retry_on({OSError: hasty, Busy: patient})
    assert rule.fate(Busy(), 1) == Fate(60.0, False)
    assert rule.fate(Gone(), 1) == Fate(1.0, False)


def test_a_policy_of_its_own_ends_after_its_own_retries():
    rule = retry_on({Busy: RetryPolicy(max_retries=2, base=5, factor=2)})
    assert [rule.fate(Busy(), attempt) for attempt in (1, 2, 3)] == [
        Fate(5.0, False),
        Fate(10.0, False),
        Fate(20.0, True),
    ]


@pytest.mark.parametrize("given", [5, "Busy", Busy(), [Busy, 5], {Busy: 5}, {"Busy": None}])
def test_what_is_no_exception_class_is_refused(given):
    with pytest.raises(ConfigurationError, match="retry_on"):
        Qml("memory://").task(retry_on=given)(print)
    if not isinstance(given, dict):
        with pytest.raises(ConfigurationError, match="give_up_on"):
            Qml("memory://").task(give_up_on=given)(print)


# -- jobs ----------------------------------------------------------------------------------------


def test_an_exception_that_is_not_worth_it_ends_the_job_at_once(app):
    task = app.task(retry_on=Busy, name="t")(raising(Gone("no")))
    job = task.enqueue()
    run(app, 1)
    stored = app.storage.get(job.id)
    assert stored.state.kind == "failed"
    assert (stored.attempt, len(stored.failures)) == (1, 1)


def test_give_up_on_counts_more_than_retry_on(app):
    task = app.task(retry_on=OSError, give_up_on=Gone, name="t")(raising(Gone("no")))
    job = task.enqueue()
    run(app, 1)
    assert app.storage.get(job.id).state.kind == "failed"


def test_each_exception_waits_by_its_own_policy(app):
    policy = RetryPolicy(max_retries=9, base=77)
    task = app.task(retry_on={Busy: policy, OSError: None}, name="t")
    first = task(raising(Busy("wait"))).enqueue()
    app.server(threads=1).step()
    state = app.storage.get(first.id).state
    assert (state.retry_at - state.scheduled_at).total_seconds() == 77


def test_a_jobs_own_retries_are_the_most(app):
    task = app.task(retry_on={Busy: RetryPolicy(max_retries=9, base=1)}, name="t")
    job = task(raising(Busy("wait"))).using(max_retries=1).enqueue()
    run(app)
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.attempt) == ("failed", 2)


def test_a_retry_that_the_other_side_asks_for_is_waited_for(app):
    task = app.task(give_up_on=Exception, name="t")(raising(Retry("later", delay=33)))
    job = task.enqueue()
    app.server(threads=1).step()
    state = app.storage.get(job.id).state
    assert state.kind == "awaiting_retry"
    assert (state.retry_at - state.scheduled_at).total_seconds() == 33


def raising(error):
    def task():
        raise error

    return task


# -- what follows --------------------------------------------------------------------------------


def test_what_follows_a_failure_is_told_once_by_id_and_exception(app):
    told = []
    follower = app.task(name="follower", queue="alarms", priority=7)(lambda *it: told.append(it))
    task = app.task(on_failure=follower, name="t")(raising(Gone("no")))
    job = task.enqueue()
    run(app)
    assert told == [(job.id, f"{__name__}.Gone: no")]
    [follow] = app.storage.list(method="follower")
    assert (follow.queue, follow.priority, follow.max_retries) == ("alarms", 7, 3)
    assert app.storage.get(job.id).attempt == 4  # and not before the last attempt


def test_a_job_that_ends_well_or_is_cancelled_is_followed_by_nothing(app):
    follower = app.task(name="follower")(print)
    task = app.task(on_failure=follower, name="t")(lambda: None)
    task.enqueue()
    app.storage.cancel(task.enqueue().id)
    run(app, 2)
    assert app.storage.list(method="follower") == []


def test_a_worker_that_dies_at_the_last_attempt_is_a_failure_that_is_followed(app):
    follower = app.task(name="follower")(print)
    task = app.task(on_failure=follower, name="t", max_retries=0)(print)
    job = task.enqueue()
    app.storage.fetch_and_lock_job("w")
    app.clock.advance(31)
    app.storage.rescue()
    [follow] = app.storage.list(method="follower")
    assert follow.arguments[0] == job.id
    assert "WorkerLost" in follow.arguments[1]


def test_what_may_follow():
    jobs = Qml("memory://", retry=RetryPolicy(max_retries=2))
    task = jobs.task(name="t", queue="q", timeout_seconds=3)(print)
    assert task.followup() == Followup("t", "q", 0, 2, 3)
    assert jobs.task(on_failure="by.name", name="u")(print).options.on_failure == Followup(
        "by.name"
    )
    with pytest.raises(ConfigurationError, match="on_failure is 5; give a task"):
        jobs.task(on_failure=5)(print)


def test_what_cannot_be_called_with_id_and_exception_is_refused_before_it_is_needed():
    jobs = Qml("memory://")
    alarm = jobs.task(name="alarm")(lambda job_id: None)
    with pytest.raises(ConfigurationError, match=r"on_failure is alarm\(job_id\): too many.*texts"):
        jobs.task(on_failure=alarm)(print)


# -- time ----------------------------------------------------------------------------------------


def test_a_job_that_is_not_started_in_time_ends_and_says_so(app):
    ran = []
    task = app.task(expires_after=60, name="t")(lambda: ran.append(1))
    late, early = task.enqueue(), task.using(expires_after=timedelta(hours=1)).enqueue()
    app.clock.advance(60)
    app.server(threads=2).tick()
    stored = app.storage.get(late.id)
    assert stored.state.kind == "deleted"
    assert stored.state.reason.startswith("expired: not started by ")
    with pytest.raises(JobFailed, match="expired"):
        app.result(late, timeout=0)
    run(app, 1)
    assert ran == [1]
    assert app.storage.get(early.id).state.kind == "succeeded"


def test_it_counts_from_when_the_job_may_start(app):
    task = app.task(expires_after=60, name="t")(print)
    job = task.using(run_after=1000).enqueue()
    assert (job.expires_at - job.created_at).total_seconds() == 1060
    app.clock.advance(1059)
    assert app.server(threads=1).step() == 1


def test_a_retry_is_not_started_after_it(app):
    task = app.task(expires_after=5, name="t")(raising(Busy("wait")))
    job = task.enqueue()
    run(app, 2)
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.attempt, len(stored.failures)) == ("deleted", 1, 1)
    assert "after attempt 1" in stored.state.reason


@pytest.mark.parametrize("value", [0, -1, True, "5", float("nan"), timedelta(0), 1e10])
def test_what_is_no_span_is_refused(value):
    with pytest.raises(ConfigurationError, match="expires_after is"):
        Qml("memory://").task(expires_after=value)(print)


def test_a_task_has_a_retention_of_its_own(app):
    short = app.task(retention=60, name="short")(print).enqueue()
    usual = app.task(name="usual")(print).enqueue()
    run(app, 1, seconds=59)
    assert app.storage.get(short.id) is not None
    run(app, 1, seconds=2)
    assert app.storage.get(short.id) is None
    assert app.storage.get(usual.id) is not None
