"""What an app hears of its jobs, and what it puts around their runs."""

import pytest

from qml import ConfigurationError, Event, EventKind, JobFailed, Qml, Retry, RetryPolicy, connect
from qml.testing import drain

from .support import eventually


@pytest.fixture
def jobs():
    with Qml("memory://", retry=RetryPolicy(max_retries=1, base=0)) as jobs:
        yield jobs


def heard(jobs, kind=None):
    """The events of a kind that the app hears, as they come."""
    events = []
    jobs.on(kind)(events.append)
    return events


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_is_a_decorator_that_leaves_the_function(jobs):
    def hook(event):
        pass

    assert jobs.on("failed")(hook) is hook


def test_an_unknown_event_is_refused_and_the_known_ones_are_listed(jobs):
    with pytest.raises(ConfigurationError, match="no event 'done'; give one of enqueued, claimed"):
        jobs.on("done")


def test_the_story_of_a_job(jobs):
    events = heard(jobs)
    task = jobs.task(name="t")(raising(ValueError("x")))
    job = task.enqueue()
    drain(jobs, raises=False)
    assert [event.kind for event in events] == [
        "enqueued",
        "claimed",
        "retrying",
        "claimed",
        "failed",
    ]
    assert {event.job.id for event in events} == {job.id}
    last = events[-1]
    assert isinstance(last, Event)
    assert last.kind is EventKind.FAILED
    assert last.job.state.exception == "ValueError: x"
    assert last.at.utcoffset().total_seconds() == 0


def test_a_kind_hears_of_nothing_else(jobs):
    events = heard(jobs, "succeeded")
    jobs.task(name="t")(print).enqueue()
    drain(jobs)
    assert [event.kind for event in events] == ["succeeded"]


def test_a_hook_that_raises_harms_neither_the_job_nor_other_hooks(jobs, caplog):
    jobs.on(None)(raising(KeyError("hook")))
    events = heard(jobs)
    job = jobs.task(name="t")(lambda: 7).enqueue()
    drain(jobs)
    assert jobs.result(job, timeout=0) == 7
    assert len(events) == 3
    assert f"a hook failed on succeeded of job {job.id} (t); the job is not harmed" in caplog.text


def test_a_hook_may_use_the_store(jobs):
    follow = jobs.task(name="follow")(lambda job_id: job_id)
    jobs.on("failed")(lambda event: follow.enqueue(event.job.id))
    job = jobs.task(name="t", max_retries=0)(raising(ValueError("x"))).enqueue()
    drain(jobs, raises=False)
    [followed] = jobs.storage.list(method="follow")
    assert followed.arguments == [job.id]


def test_servers_threads_tell_too():
    with Qml("memory://") as jobs:
        events = heard(jobs, "succeeded")
        with jobs.server(threads=2):
            jobs.task(name="t")(print).enqueue_many([(n,) for n in range(20)])
            eventually(lambda: len(events) == 20)


def test_hooks_of_an_app_and_of_the_storage_it_was_given_are_the_same():
    storage = connect("memory://")
    events = []
    storage.hooks.on("enqueued", events.append)
    jobs = Qml(storage)
    more = heard(jobs, "enqueued")
    jobs.task(name="t")(print).enqueue()
    assert len(events) == len(more) == 1


def test_a_lent_storage_tells_the_app_while_it_is_lent(jobs):
    events = heard(jobs, "enqueued")
    task = jobs.task(name="t")(print)
    other = connect("memory://")
    with jobs.using_storage(other), jobs.using_storage(other):
        task.enqueue()
    assert len({event.job.id for event in events}) == 1
    many = len(events)
    other.enqueue(task.job())
    assert len(events) == many


# -- around --------------------------------------------------------------------------------------


def test_what_is_around_a_run_sees_its_job_and_its_value(jobs):
    seen = []

    @jobs.around
    def outer(job, call):
        seen.append(("outer", job.id, job.attempt))
        value = call()
        seen.append(("done", value))
        return value

    @jobs.around
    def inner(job, call):
        seen.append("inner")
        return call() + 1

    job = jobs.task(name="t")(lambda: 1).enqueue()
    drain(jobs)
    assert seen == [("outer", job.id, 1), "inner", ("done", 2)]
    assert jobs.result(job, timeout=0) == 2


def test_what_it_raises_the_run_raises(jobs):
    jobs.around(raising(PermissionError("no")))
    job = jobs.task(name="t")(print).enqueue()
    drain(jobs, raises=False)
    with pytest.raises(JobFailed, match="PermissionError: no"):
        jobs.result(job, timeout=0)


def test_it_may_say_what_becomes_of_the_job(jobs):
    @jobs.around
    def patient(job, call):
        try:
            return call()
        except ConnectionError as error:
            raise Retry(delay=50) from error

    job = jobs.task(name="t")(raising(ConnectionError("down"))).enqueue()
    jobs.server(threads=1).step()
    stored = jobs.storage.get(job.id)
    waits = (stored.state.retry_at - stored.state.scheduled_at).total_seconds()
    assert waits == pytest.approx(50, abs=1)
    assert "ConnectionError: down" in stored.failures[0].exception


def test_a_direct_call_has_nothing_around_it(jobs):
    jobs.around(raising(AssertionError))
    assert jobs.task(name="t")(lambda: 5)() == 5


def raising(error):
    def function(*_):
        raise error

    return function


async def later(*given):
    """Nobody would await it."""


def by_halves(*given):
    yield


REGISTER = {
    "on": lambda app, function: app.on("failed")(function),
    "before_enqueue": lambda app, function: app.before_enqueue(function),
    "around_enqueue": lambda app, function: app.around_enqueue(function),
    "around": lambda app, function: app.around(function),
    "watch": lambda app, function: app.watch(function),
}


@pytest.mark.parametrize("name", REGISTER)
@pytest.mark.parametrize(
    ("function", "why"),
    [(5, "5; give a"), (later, "an async function"), (by_halves, "a generator")],
)
def test_what_would_not_run_is_refused_where_it_is_registered(memory_app, name, function, why):
    with pytest.raises(ConfigurationError, match=f"{name}.* takes is {why}"):
        REGISTER[name](memory_app, function)
