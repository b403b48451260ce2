"""`drain` runs what is due as a server would, here and now, and hides no mistake."""

import itertools
import time
from datetime import timedelta

import pytest

from qml import (
    ConfigurationError,
    Discard,
    JobFailed,
    ManualClock,
    Qml,
    Retry,
    RetryPolicy,
    Snooze,
    current_job,
)
from qml.testing.inline import drain
from tests.work.support import MAKERS, memory_storage


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=MAKERS)
def every_jobs(request, tmp_path, clock):
    """An app on each kind of storage."""
    with MAKERS[request.param](tmp_path, clock=clock) as storage:
        yield Qml(storage, retry=RetryPolicy(max_retries=2, base=10, factor=3))


@pytest.fixture
def jobs(tmp_path, clock):
    """An app on a memory storage, for what does not depend on the kind."""
    with memory_storage(tmp_path, clock=clock) as storage:
        yield Qml(storage, retry=RetryPolicy(max_retries=2, base=10, factor=3))


def state(jobs, job):
    return jobs.storage.get(job.id).state


def kind(jobs, job):
    return state(jobs, job).kind.value


# -- what runs ---------------------------------------------------------------------------------


def test_what_is_due_runs_and_what_it_enqueues(every_jobs, clock):
    jobs = every_jobs
    ran = []

    @jobs.task
    def count_down(number):
        ran.append(number)
        if number:
            count_down.enqueue(number - 1)
        return number

    first = count_down.enqueue(2)
    later = count_down.using(run_after=0.5).enqueue(0)
    drained = drain(jobs)

    assert ran == [2, 1, 0]
    assert [job.state.result for job in drained.succeeded] == [2, 1, 0]
    assert drained.succeeded[0] == jobs.storage.get(first.id)
    assert kind(jobs, later) == "scheduled"
    clock.advance(0.5)
    assert len(drain(jobs)) == 1
    assert len(drain(jobs)) == 0


def test_the_clock_is_moved_to_each_job_in_turn(every_jobs, clock):
    jobs = every_jobs
    begun, ran = clock.now(), []

    @jobs.task
    def flaky():
        ran.append(clock.now() - begun)
        raise ConnectionError(f"attempt {current_job().attempt}")

    @jobs.task
    def later():
        ran.append(clock.now() - begun)

    job = flaky.enqueue()
    later.using(run_after=10.000001).enqueue()
    drained = drain(jobs, with_scheduled=True, raises=False)

    assert ran == [timedelta(seconds=s) for s in (0, 10, 10.000001, 40)]
    assert drained.counts == {"succeeded": 1, "retrying": 2, "failed": 1}
    assert clock.now() - begun == timedelta(seconds=40)
    texts = [failure.exception for failure in jobs.storage.get(job.id).failures]
    assert texts == [f"ConnectionError: attempt {n}" for n in (1, 2, 3)]


def test_only_the_queues_named_run_and_move_the_clock(every_jobs, clock):
    jobs = every_jobs
    begun = clock.now()

    @jobs.task
    def work(fails=0):
        if current_job().attempt <= fails:
            raise ValueError

    here = work.using(queue="mail").enqueue()
    there = work.enqueue()
    soon = work.using(queue="mail", run_after=20).enqueue(fails=2)  # and after 10 and 30 more
    other = work.using(run_after=5).enqueue()
    far = work.using(run_after=3600).enqueue()
    drain(jobs, queues=["mail"], with_scheduled=True, raises=False)

    assert kind(jobs, here) == kind(jobs, soon) == "succeeded"
    assert kind(jobs, there) == "enqueued"
    assert kind(jobs, other) == kind(jobs, far) == "scheduled"
    assert clock.now() - begun == timedelta(seconds=60)


@pytest.mark.parametrize("with_scheduled", [False, True])
def test_a_crowd_in_other_queues_hides_no_job(with_scheduled, every_jobs, clock):
    jobs = every_jobs

    @jobs.task
    def work(): ...

    work.using(run_after=1).enqueue_many([()] * 1100)
    mine = work.using(run_after=2, queue="mail").enqueue()
    clock.advance(3)
    assert len(drain(jobs, queues=["mail"], with_scheduled=with_scheduled)) == 1
    assert kind(jobs, mine) == "succeeded"


@pytest.mark.parametrize("queues", [None, ["default"]])
def test_a_rate_moves_the_clock_to_the_next_start(every_jobs, clock, queues):
    begun = clock.now()
    every_jobs.task(name="t", rate="1/h")(lambda: None).enqueue_many([()] * 3)
    assert len(drain(every_jobs, queues=queues, with_scheduled=True)) == 3
    assert clock.now() - begun == timedelta(hours=2)


def test_what_another_holds_is_not_waited_for(every_jobs, clock):
    jobs, rounds = every_jobs, itertools.count()

    @jobs.task
    def work(): ...

    held = work.using(run_after=1, queue="mail").enqueue()
    work.using(run_after=60).enqueue()
    assert jobs.storage.try_acquire_job_lock(held.id, "another", 3600)
    clock.advance(1)
    for queues in (["mail"], None):
        drain(jobs, queues=queues, with_scheduled=True, until=lambda: next(rounds) > 9)
    assert next(rounds) < 9
    assert kind(jobs, held) == "scheduled"


def test_a_clock_that_nobody_can_move_is_refused():
    with Qml("memory://") as jobs, pytest.raises(ConfigurationError, match="StoreClock"):
        drain(jobs, with_scheduled=True)


def test_jobs_run_in_the_order_of_a_claim(jobs):
    ran = []

    @jobs.task
    def note(name):
        ran.append(name)
        if name == "first":
            note.using(priority=9).enqueue("urgent")

    for name in ("first", "second"):
        note.enqueue(name)
    drain(jobs)
    assert ran == ["first", "urgent", "second"]


def test_a_job_passes_through_json_on_its_way(every_jobs):
    jobs = every_jobs
    seen = []

    @jobs.task
    def keep(value, *, by=None):
        seen.append((value, by))
        return value, by

    mutable = {"a": (1, 2)}
    job = keep.enqueue(mutable, by=("x",))
    mutable["a"] = "changed after it was enqueued"
    drain(jobs)
    assert seen == [({"a": [1, 2]}, ["x"])]
    assert jobs.result(job) == [{"a": [1, 2]}, ["x"]]


def test_a_claim_outlives_any_pause_in_a_debugger(jobs, clock):
    @jobs.task
    def slow():
        clock.advance(3599)
        return len(jobs.storage.rescue())

    job = slow.enqueue()
    drain(jobs)
    assert jobs.result(job) == 0


# -- what is raised ----------------------------------------------------------------------------


def test_a_task_s_own_exception_is_raised_once_it_is_recorded(jobs):
    mistake = ValueError("no")

    @jobs.task
    def fail():
        raise mistake

    first, second = fail.enqueue(), fail.enqueue()
    with pytest.raises(ValueError, match=r"^no$") as found:
        drain(jobs)
    assert found.value is mistake
    assert found.traceback[-1].name == "fail"
    assert state(jobs, first).last_exception == "ValueError: no"
    assert jobs.storage.get(second.id).attempt == 0


def test_pytest_shows_the_test_and_the_task_and_nothing_between(jobs):
    @jobs.task
    def fail():
        raise ValueError("no")

    fail.enqueue()
    with pytest.raises(ValueError, match="no") as found:
        drain(jobs)
    shown = [entry.name for entry in found.traceback if not entry.ishidden(found)]
    assert shown == ["test_pytest_shows_the_test_and_the_task_and_nothing_between", "fail"]


def test_on_demand_it_is_recorded_only(jobs):
    @jobs.task
    def fail(text):
        raise ValueError(text)

    for text in "ab":
        fail.enqueue(text)
    drained = drain(jobs, raises=False)
    assert [job.state.last_exception for job in drained.retrying] == [
        "ValueError: a",
        "ValueError: b",
    ]


def test_a_retry_that_was_asked_for_is_raised_when_no_attempt_is_left(jobs, clock):
    @jobs.task(max_retries=1)
    def ask():
        try:
            raise ConnectionError("no answer")
        except ConnectionError as error:
            raise Retry("again", delay=5) from error

    @jobs.task(max_retries=0)
    def ask_in_vain():
        raise Retry("again")

    job = ask.enqueue()
    assert drain(jobs).counts == {"retrying": 1}
    clock.advance(5)
    with pytest.raises(ConnectionError, match="no answer"):
        drain(jobs)
    assert kind(jobs, job) == "failed"

    ask_in_vain.enqueue()
    with pytest.raises(Retry, match="again"):
        drain(jobs)


def test_snooze_and_discard_are_no_mistakes(jobs):
    @jobs.task
    def sleep():
        raise Snooze(60)

    @jobs.task
    def drop():
        raise Discard("moved away")

    sleep.enqueue()
    drop.enqueue()
    drained = drain(jobs)
    assert drained.counts == {"discarded": 1, "snoozed": 1}
    assert drained.discarded[0].state.reason == "moved away"
    assert drained.snoozed[0].attempt == 0


def test_what_no_task_raised_is_raised_as_failed(jobs):
    @jobs.task
    def unkeepable():
        return {1, 2}

    unknown = jobs.storage.enqueue(unkeepable.job().__class__("app.gone"))
    with pytest.raises(JobFailed, match=r"app\.gone.*UnknownMethod.*unkeepable") as found:
        drain(jobs)
    assert found.value.job_id == unknown.id

    job = unkeepable.enqueue()
    with pytest.raises(JobFailed, match="a set, which JSON cannot keep"):
        drain(jobs)
    assert kind(jobs, job) == "failed"


@pytest.mark.parametrize("end", [KeyboardInterrupt(), pytest.fail.Exception("enough")])
def test_what_ends_a_test_is_never_swallowed(end, jobs):
    @jobs.task
    def stop():
        raise end

    job = stop.enqueue()
    with pytest.raises(type(end)):
        drain(jobs, raises=False)
    assert jobs.storage.get(job.id).attempt == 1
    assert kind(jobs, job) == "awaiting_retry"


def test_sys_exit_is_a_mistake_like_others(jobs):
    @jobs.task
    def leave():
        raise SystemExit(3)

    leave.enqueue()
    with pytest.raises(SystemExit):
        drain(jobs)
    leave.enqueue()
    assert drain(jobs, raises=False).counts == {"retrying": 1}


def test_a_run_that_lost_its_job_says_so(jobs):
    @jobs.task
    def cancel_myself(mistake=False):
        jobs.storage.delete(current_job().id)
        if mistake:
            raise ValueError("and a mistake besides")

    job = cancel_myself.enqueue()
    [lost] = drain(jobs).lost
    assert lost.id == job.id
    cancel_myself.enqueue(mistake=True)
    with pytest.raises(ValueError, match="besides"):
        drain(jobs)


def test_a_task_that_looks_at_its_time_limit_has_all_of_it(jobs):
    """On however slow a machine, and after however long a stop in a debugger."""
    left = []

    @jobs.task(timeout_seconds=0.000001)
    def work():
        time.sleep(0.001)
        left.append(current_job().remaining)
        current_job().check()

    work.enqueue()
    assert drain(jobs).counts == {"succeeded": 1}
    assert left == [0.000001]


def test_what_a_task_tells_of_itself_is_stored(jobs):
    @jobs.task
    def work():
        current_job().progress(0.5, "half")
        current_job().log("a line")

    work.enqueue()
    [job] = drain(jobs).succeeded
    assert job.notes.progress.message == "half"
    assert [line.text for line in job.notes.log] == ["a line"]


# -- when it ends ------------------------------------------------------------------------------


def test_a_job_without_end_is_found_out(jobs):
    @jobs.task
    def again():
        again.enqueue()

    again.enqueue()
    with pytest.raises(AssertionError, match=r"3 attempts.*again is due next.*again 3 times"):
        drain(jobs, limit=3)
    [waiting] = jobs.storage.list("enqueued")
    assert waiting.attempt == 0


def test_the_limit_itself_may_be_reached(jobs):
    @jobs.task
    def work(): ...

    work.enqueue_many([()] * 3)
    assert len(drain(jobs, limit=3)) == 3


def test_it_can_be_told_when_to_end(jobs):
    ran = []

    @jobs.task
    def work():
        ran.append(None)

    work.enqueue_many([()] * 3)
    assert len(drain(jobs, until=lambda: len(ran) == 2)) == 2
    assert len(drain(jobs, until=lambda: True)) == 0
    assert len(drain(jobs, until=lambda: False)) == 1


def test_what_ran_reads_well(jobs):
    @jobs.task
    def fail():
        raise ValueError("no")

    assert str(drain(jobs)) == "nothing was due"
    fail.enqueue()
    drained = drain(jobs, raises=False, with_scheduled=True)
    assert str(drained) == "2 retrying, 1 failed"
    assert len(drained) == 3


@pytest.mark.parametrize(
    "wrong", [*({"limit": wrong} for wrong in (0, -1, "3", None, 2.5)), {"until": 5}], ids=str
)
def test_what_a_drain_is_told_is_checked_before_it_runs_anything(jobs, wrong):
    @jobs.task
    def work(): ...

    work.enqueue()
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} is .*; give a "):
        drain(jobs, **wrong)
    assert jobs.storage.get_job_counts()["enqueued"] == 1
