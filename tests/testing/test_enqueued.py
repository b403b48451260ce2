"""`assert_enqueued` finds what waits, and says what waits instead."""

from datetime import datetime, timedelta
from unittest.mock import ANY

import pytest

from qml import ConfigurationError, InvalidArguments, Job, ManualClock, Qml, Retention
from qml.testing.enqueued import assert_enqueued, assert_not_enqueued
from qml.testing.inline import drain
from tests.work.support import MAKERS, memory_storage


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=MAKERS)
def every_jobs(request, tmp_path, clock):
    with MAKERS[request.param](tmp_path, clock=clock) as storage:
        yield Qml(storage)


@pytest.fixture
def jobs(tmp_path, clock):
    with memory_storage(tmp_path, clock=clock) as storage:
        yield Qml(storage)


@pytest.fixture
def send(jobs):
    @jobs.task(name="send")
    def send(to, subject="hello", *, cc=()): ...

    return send


@pytest.fixture
def other(jobs):
    @jobs.task(name="other")
    def other(): ...

    return other


def message(assertion, *arguments, **named):
    with pytest.raises(AssertionError) as found:
        assertion(*arguments, **named)
    return str(found.value)


# -- what is found -----------------------------------------------------------------------------


def test_what_waits_on_each_storage(every_jobs):
    jobs = every_jobs

    @jobs.task
    def work(name):
        if name == "fails":
            raise ValueError

    work.enqueue_many([("ran",), ("fails",)])
    drain(jobs, raises=False)
    work.enqueue("runs")
    jobs.storage.fetch_and_lock_job("a worker")
    work.using(run_after=60).enqueue("later")
    work.enqueue("ready")

    before = jobs.storage.list()
    found = assert_enqueued(jobs, work)
    assert [job.arguments for job in found] == [["fails"], ["later"], ["ready"]]
    assert_enqueued(jobs, work, args=["fails"], run_after=1, count=1)
    assert_not_enqueued(jobs, work, args=["ran"])
    assert_not_enqueued(jobs, work, args=["runs"])
    assert jobs.storage.list() == before


def test_the_jobs_found_come_back_oldest_first(jobs, send, other):
    ids = [send.enqueue(name).id for name in "abc"]
    other.enqueue()
    assert [job.id for job in assert_enqueued(jobs, send)] == ids
    assert [job.id for job in assert_enqueued(jobs, "send", count=3)] == ids
    assert len(assert_enqueued(jobs)) == 4
    assert len(assert_enqueued(jobs, args=[])) == 1
    assert_enqueued(jobs, send, args=["nobody"], count=0)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (["ada", "hi"], {}),
        (("ada",), {"subject": "hi"}),
        ([], {"subject": "hi", "to": "ada"}),
        ([ANY, "hi"], {}),
        ([], {"to": ANY, "subject": ANY, "cc": ANY}),
        (ANY, ANY),
        (ANY, {}),
        (["ada", "hi"], ANY),
    ],
)
def test_a_call_counts_and_not_how_it_was_written(args, kwargs, jobs, send):
    send.enqueue("ada", "hi")
    assert_enqueued(jobs, send, args=args, kwargs=kwargs, count=1)


def test_it_does_not_matter_how_it_was_enqueued(jobs, send):
    send.enqueue("ada")
    send.enqueue(to="ada", subject="hello", cc=())
    assert_enqueued(jobs, send, args=["ada"], count=2)
    assert_enqueued(jobs, send, kwargs={"cc": [], "to": "ada"}, count=2)


def test_the_call_is_compared_as_a_whole(jobs, send):
    send.enqueue("ada", "hi")
    assert_not_enqueued(jobs, send, args=["ada"])  # the subject is not the default
    assert_not_enqueued(jobs, send, args=["ada"], kwargs={"cc": ["bob"]})
    send.enqueue("ada", cc=[("x", 1)])
    assert_enqueued(jobs, send, args=["ada"], kwargs={"cc": [("x", ANY)]})


def test_how_long_it_is_kept_is_given_as_when_it_was_enqueued(jobs, send):
    send.using(retention=60).enqueue("ada")
    send.enqueue("bob")
    kept = Retention(succeeded=60, failed=60, deleted=60)
    for retention in (60, kept, ANY):
        found = assert_enqueued(jobs, send, retention=retention)
        assert found[0].arguments == ["ada"]
    assert_enqueued(jobs, send, retention=None, args=["bob"], count=1)
    assert_not_enqueued(jobs, send, retention=61)


def test_the_moment_is_given_as_when_it_was_enqueued(jobs, send, clock):
    send.enqueue("now")
    send.using(run_after=90.5).enqueue("later")
    at = clock.now() + timedelta(seconds=90.5)
    for moment in (90.5, timedelta(seconds=90.5), at, pytest.approx(90, abs=1)):
        [later] = assert_enqueued(jobs, send, run_after=moment)
        assert later.arguments == ["later"]
    for moment in (None, 0, timedelta()):
        [now] = assert_enqueued(jobs, send, run_after=moment)
        assert now.arguments == ["now"]
    clock.advance(30.5)
    assert_enqueued(jobs, send, run_after=60)
    assert_enqueued(jobs, send, run_after=at)
    clock.advance(100)
    assert_enqueued(jobs, send, run_after=0, count=2)
    assert_not_enqueued(jobs, send, run_after=90.5)


def test_every_option_of_using_can_be_asked_for(jobs, send):
    options = {
        "queue": "mail", "priority": 3, "max_retries": 1, "timeout_seconds": 2.5, "job_type": "t",
        "metadata": {"a": [1]}, "unique_key": "k", "unique_while": "queued", "id": "i",
        "concurrency_key": "c", "concurrency_limit": 2, "rate": "20/s", "rate_key": "r",
        "batch": "b",
    }  # fmt: skip
    send.enqueue("other")
    send.using(**options).enqueue("ada")
    for name, value in options.items():
        assert_enqueued(jobs, send, count=1, **{name: value})
        assert_not_enqueued(jobs, send, **{name: "1/h" if name == "rate" else "another"})
    assert_enqueued(jobs, send, metadata={"a": ANY}, **{k: options[k] for k in ("queue", "id")})
    assert_enqueued(jobs, send, unique_key=None, count=1)


def test_a_job_whose_arguments_fit_no_more(jobs, send):
    jobs.storage.enqueue(Job("send", ["a", "b", "c", "d"]))
    assert_enqueued(jobs, send)
    assert "args: ['a', 'b', 'c', 'd'], not ['ada']" in message(
        assert_enqueued, jobs, send, args=["ada"]
    )


# -- what cannot be meant ----------------------------------------------------------------------


@pytest.mark.parametrize("assertion", [assert_enqueued, assert_not_enqueued])
def test_a_question_that_could_never_be_answered_is_refused(assertion, jobs, send):
    with pytest.raises(InvalidArguments, match=r"cannot be called with \(1, 2, 3\)"):
        assertion(jobs, send, args=[1, 2, 3])
    with pytest.raises(InvalidArguments, match=r"cannot be called with \(\)"):
        assertion(jobs, "send", kwargs={})
    with pytest.raises(ConfigurationError, match="qeue"):
        assertion(jobs, send, qeue="mail")
    with pytest.raises(ConfigurationError, match="is no task"):
        assertion(jobs, send.function)
    with Qml("memory://") as others, pytest.raises(ConfigurationError, match="another Qml"):
        assertion(others, send)


NEVER = [{"args": "ada"}, {"args": None}, {"args": {"to": 1}}, {"kwargs": ["ada"]},
         {"run_after": "soon"}, {"run_after": datetime(2030, 1, 1)}]  # fmt: skip


@pytest.mark.parametrize("assertion", [assert_enqueued, assert_not_enqueued])
@pytest.mark.parametrize("asked", NEVER, ids=str)
def test_what_no_job_is_ever_equal_to_is_refused(assertion, asked, jobs, send):
    with pytest.raises(ConfigurationError, match=f"{next(iter(asked))} is .*; give|aware"):
        assertion(jobs, send, **asked)


@pytest.mark.parametrize("count", [-1, "1", True])
def test_a_count_is_a_number(count, jobs, send):
    send.enqueue("ada")
    with pytest.raises(ConfigurationError, match=r"count is .*; give a whole number"):
        assert_enqueued(jobs, send, count=count)


# -- what is said ------------------------------------------------------------------------------


def test_the_message_lists_what_waits_the_most_similar_first(jobs, send, other, clock):
    other.enqueue()
    send.using(run_after=60, queue="news").enqueue("bob", subject="hi", cc=["x"])
    send.using(queue="mail").enqueue("eve")
    assert message(assert_enqueued, jobs, send, args=["ada"], queue="mail") == (
        "not enqueued: job of send with args=['ada'], queue='mail'\n"
        "enqueued are 3:\n"
        "  send('eve') in queue 'mail'\n"
        "    to: 'eve', not 'ada'\n"
        "  send('bob', subject='hi', cc=['x']) in queue 'news', due in 60 s\n"
        "    to: 'bob', not 'ada'\n"
        "    subject: 'hi', not 'hello'\n"
        "    cc: ['x'], not ()\n"
        "    queue: 'news', not 'mail'\n"
        "  other() in queue 'default'"
    )


def test_the_message_tells_how_often_and_what_has_run(jobs, send, other):
    send.enqueue("ada")
    other.enqueue()
    drain(jobs)
    told = message(assert_enqueued, jobs, send)
    assert told == "not enqueued: job of send\nnothing is enqueued\n" + (
        "jobs of send that wait no more: 1 succeeded"
    )
    send.enqueue("ada")
    assert message(assert_enqueued, jobs, send, count=2).startswith("not enqueued 2 times but once")
    assert message(assert_enqueued, jobs, count=0).startswith(
        "not enqueued 0 times but once: job\n"
    )


def test_the_message_of_what_should_not_be(jobs, send, other):
    other.enqueue()
    send.enqueue("ada")
    assert message(assert_not_enqueued, jobs, send) == (
        "enqueued, and should not be: job of send\n"
        "enqueued are 2:\n"
        "  send('ada') in queue 'default'\n"
        "  other() in queue 'default'"
    )
    assert message(assert_not_enqueued, jobs).startswith("enqueued, and should not be: job\n")


def test_a_job_that_waits_for_its_next_attempt_says_so(jobs, send):
    @jobs.task(name="fail")
    def fail():
        raise ValueError

    fail.enqueue()
    drain(jobs, raises=False)
    told = message(assert_enqueued, jobs, send)
    assert "\n  fail() in queue 'default', due in 1 s, tried once" in told


def test_a_long_list_is_cut(jobs, send, other):
    other.enqueue_many([()] * 25)
    told = message(assert_enqueued, jobs, send)
    assert told.count("other()") == 20
    assert told.endswith("\n  and 5 more")


@pytest.mark.parametrize("tool", [assert_enqueued, assert_not_enqueued, drain])
def test_a_storage_or_a_url_is_no_app_and_shows_no_password(tool, jobs):
    with pytest.raises(ConfigurationError, match="a MemoryStorage is no Qml; give the app itself"):
        tool(jobs.storage)
    with pytest.raises(ConfigurationError) as found:
        tool("postgresql://me:secret@localhost/test")
    assert "secret" not in str(found.value)
