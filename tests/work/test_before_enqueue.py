"""What is called before, and around, every enqueue of an app: it may change or stop it."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from qml import ConfigurationError, Job, ManualClock, Qml, RetryPolicy, UniqueKeyTaken, connect
from qml.testing import drain
from tests.storage.callers import DATABASES, Database
from tests.threads import in_a_thread

from .support import MAKERS, memory_storage


class Refused(Exception):
    """What a hook of these tests raises."""


@pytest.fixture
def jobs(app):
    """An app on each storage, with a task that returns its argument."""

    @app.task(name="echo")
    def echo(value=None):
        return value

    return app


def marking(jobs):
    """Every job is marked before it is enqueued; the ids of those that were."""
    seen = []

    @jobs.before_enqueue
    def mark(job):
        seen.append(job.id)
        return job.with_metadata(marked=True)

    return seen


def stored(jobs):
    return {job.id: job.metadata.get("marked", False) for job in jobs.storage.list()}


# -- where it is called ----------------------------------------------------------------------------


def test_a_decorator_leaves_its_function(memory_app):
    def same(job):
        return job

    def around(jobs, store):
        return store(jobs)

    assert memory_app.before_enqueue(same) is same
    assert memory_app.around_enqueue(around) is around


def test_enqueue_and_enqueue_many_and_the_storage_itself(jobs):
    seen, echo = marking(jobs), jobs.tasks["echo"]
    first = echo.enqueue(1)
    assert first.metadata == {"marked": True}
    many = echo.enqueue_many([(2,), (3,)])
    own = jobs.storage.enqueue(Job("echo", [4]))
    assert seen == [first.id, *(job.id for job in many), own.id]
    assert stored(jobs) == dict.fromkeys(seen, True)
    assert [job.arguments for job in jobs.storage.list()] == [[4], [3], [2], [1]]


def test_an_empty_list_calls_nothing(jobs):
    seen = marking(jobs)
    assert jobs.tasks["echo"].enqueue_many([]) == []
    assert seen == []


@pytest.fixture(params=DATABASES)
def database(request, tmp_path):
    return Database(request.param, tmp_path)


def test_a_transaction_of_the_callers(database):
    with connect(database.config) as storage:
        database.make_table()
        jobs = Qml(storage)
        seen = marking(jobs)
        task = jobs.task(name="t")(print)
        with database.driver() as connection:
            one = task.using(connection=connection).enqueue()
            other = jobs.enqueue_in(connection, task.job())
            connection.commit()
        assert seen == [one.id, other.id]
        assert stored(jobs) == {one.id: True, other.id: True}


def test_a_map_calls_it_for_new_jobs_alone(jobs):
    seen, echo = marking(jobs), jobs.tasks["echo"]
    with jobs.server(threads=2):
        assert list(echo.map([1, 2], batch="b")) == [1, 2]
        assert list(echo.map([1, 2, 3], batch="b")) == [1, 2, 3]
    assert len(seen) == 3
    assert stored(jobs) == dict.fromkeys(seen, True)


def test_what_comes_after_a_batch_or_after_jobs(jobs):
    seen, echo = marking(jobs), jobs.tasks["echo"]
    with jobs.batch("b", on_success=echo) as batch:
        member = batch.enqueue(echo, 1)
    later = echo.using(run_after=[member]).enqueue(2)
    assert set(seen) == {member.id, later.id, *batch.followers()}
    assert stored(jobs) == dict.fromkeys(seen, True)


def test_not_what_a_job_brings_with_it_when_it_ends(jobs):
    """The step that records an end enqueues it, perhaps in a process that knows no app."""
    seen, echo = marking(jobs), jobs.tasks["echo"]
    job = echo.then(jobs.task(name="next")(print)).enqueue(1)
    drain(jobs)
    assert seen == [job.id]
    assert sorted(stored(jobs).values()) == [False, True]


def test_what_is_to_follow_may_be_marked_with_the_job(jobs):
    echo = jobs.tasks["echo"]

    @jobs.before_enqueue
    def mark(job):
        after = attrs.evolve(job.on_success, metadata={"marked": True})
        return attrs.evolve(job, on_success=after)

    echo.then(jobs.task(name="next")(print)).enqueue(1)
    drain(jobs)
    [follower] = jobs.storage.list(method="next")
    assert follower.metadata == {"marked": True}


def test_a_step_of_a_chain_has_its_tasks_metadata(jobs):
    step = jobs.task(name="next")(print).using(metadata={"of": "next"})
    jobs.tasks["echo"].then(step).enqueue(1)
    drain(jobs)
    [follower] = jobs.storage.list(method="next")
    assert follower.metadata == {"of": "next"}


def test_another_attempt_is_no_enqueue(jobs):
    seen = marking(jobs)
    failing = jobs.task(name="failing", retry=RetryPolicy(max_retries=1, base=0))(lambda: 1 / 0)
    job = failing.enqueue()
    drain(jobs, raises=False)
    assert jobs.storage.get(job.id).attempt == 2
    jobs.storage.retry(job.id)
    assert seen == [job.id]


START = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=MAKERS)
def ticking(request, tmp_path):
    """An app with a schedule whose first slot is due."""
    with MAKERS[request.param](tmp_path, clock=ManualClock(START)) as storage:
        jobs = Qml(storage)
        jobs.cron("*/5 * * * *")(jobs.task(name="tick")(print))
        jobs.server().tick()
        storage.clock.advance(301)
        yield jobs


def test_a_schedules_slots_in_the_server_that_issues_them(ticking):
    seen = marking(ticking)
    ticking.server().tick()
    triggered = ticking.schedules.trigger("tick")
    assert len(seen) == 2
    assert seen[1] == triggered.id
    assert stored(ticking) == dict.fromkeys(seen, True)


@pytest.mark.parametrize("error", [Refused, SystemExit])
def test_a_slot_that_is_stopped_is_not_lost_and_stops_no_other(ticking, caplog, error):
    ticking.cron("*/5 * * * *", name="other")(ticking.task(name="other")(print))
    ticking.server().tick()
    ticking.storage.clock.advance(300)
    broken = [True]

    @ticking.before_enqueue
    def check(job):
        if broken and job.method == "other":
            raise error("not now")
        return job

    server = ticking.server()
    in_a_thread(server.tick)
    assert "schedule other issues nothing now" in caplog.text
    assert {job.method for job in ticking.storage.list()} == {"tick"}
    broken.clear()
    server.tick()
    assert {job.method for job in ticking.storage.list()} == {"tick", "other"}


# -- what it may do --------------------------------------------------------------------------------


def test_what_it_raises_stops_the_enqueue_in_the_caller(jobs):
    @jobs.before_enqueue
    def check(job):
        if job.arguments == [2]:
            raise Refused("two")
        return job

    events = []
    jobs.on(None)(events.append)
    with pytest.raises(Refused, match="two"):
        jobs.tasks["echo"].enqueue_many([(1,), (2,)])
    assert jobs.storage.list() == []
    assert events == []


def test_it_may_change_what_is_enqueued(jobs):
    @jobs.before_enqueue
    def change(job):
        return attrs.evolve(job, queue="slow", priority=-1)

    job = jobs.tasks["echo"].enqueue(1)
    assert (job.queue, job.priority) == ("slow", -1)
    [claimed] = jobs.storage.fetch_available_jobs_atomic("w", 1, ["slow"])
    assert claimed.id == job.id


@pytest.mark.parametrize("answer", [None, Job("other")], ids=["nothing", "another job"])
def test_it_passes_on_the_job_itself(jobs, answer):
    jobs.before_enqueue(lambda job: answer)
    with pytest.raises(ConfigurationError, match="pass on each job") as caught:
        jobs.tasks["echo"].using(id="mine").enqueue()
    assert "job mine (echo) was not stored" in str(caught.value)
    assert jobs.storage.list() == []


def test_of_several_the_one_that_was_not_passed_on_is_named(jobs):
    jobs.around_enqueue(lambda given, store: store([given[0], Job("other"), given[2]]))
    given = [Job("t", id=name) for name in "abc"]
    with pytest.raises(ConfigurationError, match=r"^job b \(t\) was not stored"):
        jobs.storage.enqueue_many(given)
    assert jobs.storage.list() == []


def test_functions_are_called_in_the_order_of_their_registration(memory_app):
    order = []

    def named(name):
        def before(job):
            order.append((name, job.metadata.get("by")))
            return job.with_metadata(by=name)

        return before

    memory_app.before_enqueue(named("first"))
    memory_app.before_enqueue(named("second"))
    job = memory_app.task(name="t")(print).enqueue()
    assert order == [("first", None), ("second", "first")]
    assert job.metadata == {"by": "second"}


def test_around_sees_all_jobs_of_a_step_and_what_was_stored(jobs):
    told = []

    @jobs.around_enqueue
    def tell(given, store):
        told.append([job.seq for job in given])
        done = store([job.with_metadata(n=n) for n, job in enumerate(given)])
        told.append([job.metadata["n"] for job in done])

    done = jobs.tasks["echo"].enqueue_many([(1,), (2,)])
    assert told == [[None, None], [0, 1]]
    assert [job.metadata for job in done] == [{"n": 0}, {"n": 1}]


def test_around_hears_of_a_refusal_and_sees_a_holder(jobs):
    heard = []

    @jobs.around_enqueue
    def hear(given, store):
        try:
            heard.extend(job.id for job in store(given))
        except UniqueKeyTaken as error:
            heard.append(type(error))
            raise

    echo = jobs.tasks["echo"].using(unique_key="k")
    first = echo.enqueue()
    with pytest.raises(UniqueKeyTaken):
        echo.enqueue()
    assert echo.using(on_conflict="existing").enqueue() == jobs.storage.get(first.id)
    assert heard == [first.id, UniqueKeyTaken, first.id]


def test_around_has_to_make_its_call(jobs):
    @jobs.around_enqueue
    def forget(given, store):
        pass

    with pytest.raises(ConfigurationError, match="did not make the call it was given"):
        jobs.tasks["echo"].enqueue()


def test_the_app_of_a_lent_storage_is_asked_too(memory_app, tmp_path):
    seen = marking(memory_app)
    task = memory_app.task(name="t")(print)
    with memory_storage(tmp_path) as other, memory_app.using_storage(other):
        job = task.enqueue()
        assert stored(memory_app) == {job.id: True}
    assert seen == [job.id]


def test_expiry_and_delay_are_as_given(jobs):
    seen = marking(jobs)
    job = jobs.tasks["echo"].using(run_after=60, expires_after=90).enqueue()
    assert seen == [job.id]
    assert job.state.enqueue_at - job.created_at == timedelta(seconds=60)


def test_around_may_pass_on_what_it_makes_one_by_one(jobs):
    jobs.around_enqueue(lambda given, store: store(job.with_metadata(seen=True) for job in given))
    [stored] = jobs.tasks["echo"].enqueue_many([(1,)])
    assert stored.metadata == {"seen": True}
