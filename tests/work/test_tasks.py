"""Tasks: registration, calling, the signature, the forms of enqueueing."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from qml import (
    ConfigurationError,
    InvalidArguments,
    Qml,
    RetryPolicy,
    Scheduled,
    SerializationError,
    StateKind,
    UniqueKeyTaken,
)


def plain(a, b=2, *, c=3):
    """Adds."""
    return a + b + c


@pytest.fixture
def task(memory_app):
    return memory_app.task(plain)


# -- registration --------------------------------------------------------------------------------


def test_a_task_keeps_the_functions_name_and_docstring(task):
    assert (task.__name__, task.__doc__, task.__wrapped__) == ("plain", "Adds.", plain)
    assert task.name == f"{__name__}.plain"
    assert repr(task) == f"<Task {__name__}.plain>"


def test_calling_a_task_just_calls_the_function(task, memory_app):
    assert task(1, 1, c=1) == 3
    assert memory_app.storage.list() == []


def test_importing_opens_nothing(tmp_path):
    app = Qml(f"sqlite:///{tmp_path}/jobs.db")
    app.task(plain)
    assert list(tmp_path.iterdir()) == []
    app.close()
    with app.server().storage as storage:  # a server needs it
        assert storage.list() == []


def test_a_wrong_url_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="four"):
        Qml("sqlite://jobs.db")


def test_two_functions_of_one_name_are_refused(memory_app, task):
    def other():
        pass

    with pytest.raises(ConfigurationError, match=r"two tasks are called .*plain"):
        memory_app.task(other, name=task.name)
    memory_app.task(name="mail")(plain)
    with pytest.raises(ConfigurationError, match="two tasks are called 'mail'"):
        memory_app.task(name="mail")(other)
    assert memory_app.tasks[task.name] is task


def test_the_same_function_may_be_defined_again(memory_app):
    def define(answer):
        @memory_app.task
        def cell():
            return answer

        return cell

    first, second = define(1), define(2)
    assert first.name == second.name
    job = first.enqueue()
    memory_app.server().step()
    assert memory_app.result(job, timeout=0) == 2


def test_a_name_of_its_own(memory_app):
    named = memory_app.task(name="billing.close")(plain)
    assert named.enqueue(1).method == "billing.close"
    assert list(memory_app.tasks) == ["billing.close"]


def test_an_app_that_was_closed_opens_its_store_anew(tmp_path):
    jobs = Qml(f"sqlite:///{tmp_path}/jobs.db")
    task = jobs.task(name="t")(print)
    with jobs:
        first = task.enqueue()
    assert task.enqueue().id != first.id
    assert jobs.storage.get(first.id) == first
    jobs.close()


def test_what_servers_go_by_is_said_once(task):
    for option in ("retry_on", "give_up_on", "process"):
        with pytest.raises(ConfigurationError, match=f"{option} is said once"):
            task.using(**{option: ValueError})


def test_a_task_refuses_unknown_options_and_names_them(memory_app, task):
    with pytest.raises(
        ConfigurationError, match=r"unknown option colour; there are batch, .*, give_up_on, id"
    ):
        memory_app.task(colour="red")(plain)
    with pytest.raises(ConfigurationError, match="unknown option when"):
        task.using(when=5)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("queue", ""),
        ("queue", "a\0b"),
        ("priority", "high"),
        ("priority", True),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("max_retries", True),
        ("retry", 5),
        ("timeout_seconds", 0),
        ("timeout_seconds", -1),
        ("timeout_seconds", float("inf")),
        ("job_type", ""),
        ("unique_key", ""),
        ("unique_while", "sometimes"),
        ("run_after", -1),
        ("run_after", "soon"),
        ("run_after", True),
        ("run_after", float("nan")),
        ("run_after", float("inf")),
        ("run_after", 1e18),
        ("run_after", timedelta.max),
        ("expires_after", timedelta.max),
        ("run_after", datetime(2031, 1, 1)),
        ("metadata", []),
        ("id", ""),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_given(memory_app, task, option, value):
    with pytest.raises(ConfigurationError, match=option):
        task.using(**{option: value})
    with pytest.raises(ConfigurationError, match=option):
        memory_app.task(**{option: value})


# -- enqueueing ----------------------------------------------------------------------------------


def test_enqueue_stores_what_was_asked_for(app, clock):
    task = app.task(queue="mail", priority=3, max_retries=2, timeout_seconds=9)(plain)
    job = task.using(job_type="letter", metadata={"a": [1]}, unique_key="k", id="j").enqueue(1, c=4)
    assert app.storage.get("j") == job
    assert (job.method, job.arguments, job.kwargs) == (task.name, [1], {"c": 4})
    assert (job.queue, job.priority, job.max_retries, job.timeout_seconds) == ("mail", 3, 2, 9)
    assert (job.job_type, job.metadata, job.unique_key) == ("letter", {"a": [1]}, "k")
    assert (job.state.kind, job.state.queue) == (StateKind.ENQUEUED, "mail")
    assert job.created_at == clock.now()


def test_using_changes_a_copy(task):
    urgent = task.using(priority=9)
    assert (task.enqueue(1).priority, urgent.enqueue(1).priority) == (0, 9)
    assert urgent.using(queue="q").enqueue(1).priority == 9
    assert urgent(1) == 6


@pytest.mark.parametrize(
    ("arguments", "kwargs", "says"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional"),
        ((1,), {"d": 1}, "unexpected keyword argument 'd'"),
        ((1,), {"a": 1}, "multiple values"),
    ],
)
def test_arguments_are_checked_against_the_signature_now(task, memory_app, arguments, kwargs, says):
    with pytest.raises(InvalidArguments, match=says) as refused:
        task.enqueue(*arguments, **kwargs)
    assert isinstance(refused.value, TypeError)
    assert "plain(a, b=2, *, c=3)" in str(refused.value)
    assert memory_app.storage.list() == []


@pytest.mark.parametrize("bad", [object(), {1: 2}, float("nan"), b"x", {"a": ["\ud800"]}, {1, 2}])
def test_what_json_cannot_keep_is_refused_now(task, memory_app, bad):
    with pytest.raises(SerializationError, match=r"arguments\[0\]"):
        task.enqueue(bad)
    assert memory_app.storage.list() == []


def test_enqueue_many_takes_tuples_lists_and_dicts(task):
    made = task.enqueue_many([(1,), [2, 3], {"a": 4, "c": 5}])
    assert [(job.arguments, job.kwargs) for job in made] == [
        ([1], {}),
        ([2, 3], {}),
        ([], {"a": 4, "c": 5}),
    ]
    assert task.enqueue_many([]) == []
    assert len(task.enqueue_many((n,) for n in range(3))) == 3


def test_enqueue_many_keeps_each_call_as_it_was_when_it_came(task):
    def calls():
        call = [{"n": 0}]
        for call[0]["n"] in range(3):
            yield call

    assert [job.arguments for job in task.enqueue_many(calls())] == [[{"n": n}] for n in range(3)]


@pytest.mark.parametrize("call", ["ab", 5, None, {1, 2}])
def test_enqueue_many_refuses_what_is_no_call(task, memory_app, call):
    with pytest.raises(InvalidArguments, match="is no call; give a tuple"):
        task.enqueue_many([(1,), call])
    assert memory_app.storage.list() == []


def test_an_error_names_the_task_and_of_many_the_call(task, memory_app):
    with pytest.raises(SerializationError, match=rf"^{task.name}: arguments\[0\] is an object"):
        task.enqueue(object())
    with pytest.raises(SerializationError, match=rf"^{task.name}: arguments\[0\] is an object"):
        task.job(object())
    for bad, error in (
        ((object(),), SerializationError),
        ((), InvalidArguments),
        (5, InvalidArguments),
    ):
        with pytest.raises(error, match=rf"{task.name}.*call 2 .*none was stored"):
            task.enqueue_many([(1,), (2,), bad, (3,)])
    assert memory_app.storage.list() == []


def test_enqueue_many_is_all_or_nothing(app):
    task = app.task(plain)
    with pytest.raises(InvalidArguments):
        task.enqueue_many([(1,), ()])
    with pytest.raises(UniqueKeyTaken, match="2 jobs were given and none stored"):
        task.using(unique_key="k").enqueue_many([(1,), (2,)])
    assert app.storage.list() == []


# -- run_after -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run_after",
    [
        90,
        90.0,
        timedelta(seconds=90),
        datetime(2030, 1, 1, 0, 1, 30, tzinfo=UTC),
        datetime(2030, 1, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_run_after_takes_seconds_timedelta_and_aware_datetime(app, clock, run_after):
    job = app.task(plain).using(run_after=run_after).enqueue(1)
    assert job.state == Scheduled(clock.now(), clock.now() + timedelta(seconds=90))
    assert app.storage.get_available_jobs() == []
    clock.advance(89.999999)
    assert app.server().step() == 0  # never early
    clock.advance(0.000001)
    assert app.server().step() == 1


def test_run_after_counts_from_the_storages_time_and_each_enqueue(app, clock):
    later = app.task(plain).using(run_after=10)
    clock.advance(100)
    assert later.enqueue(1).state.enqueue_at == clock.now() + timedelta(seconds=10)


def test_a_fraction_of_a_second_survives(app, clock):
    job = app.task(plain).using(run_after=0.123456).enqueue(1)
    stored = app.storage.get(job.id)
    assert stored.state.enqueue_at - clock.now() == timedelta(microseconds=123456)


def test_a_naive_time_is_refused_with_a_sentence(task):
    with pytest.raises(ConfigurationError, match=r"run_after is .*naive datetime.*Give an aware"):
        task.using(run_after=datetime(2031, 1, 1))


# -- retries and time limits: the matrix of the levels -------------------------------------------

APP = RetryPolicy(max_retries=7)


@pytest.mark.parametrize(
    ("of_task", "of_call", "attempts"),
    [
        ({}, {}, 8),
        ({"max_retries": None}, {}, 8),
        ({"max_retries": 0}, {}, 1),
        ({"max_retries": 2}, {}, 3),
        ({}, {"max_retries": 0}, 1),
        ({}, {"max_retries": None}, 8),
        ({"max_retries": 0}, {"max_retries": None}, 8),
        ({"max_retries": 0}, {"max_retries": 4}, 5),
        ({"max_retries": 4}, {"max_retries": 0}, 1),
        ({"retry": RetryPolicy(max_retries=3)}, {}, 4),
        ({"retry": RetryPolicy(max_retries=0)}, {}, 1),
        ({"retry": RetryPolicy(max_retries=3)}, {"max_retries": 0}, 1),
        ({"retry": RetryPolicy(max_retries=3)}, {"max_retries": None}, 4),
        ({"retry": RetryPolicy(max_retries=3), "max_retries": 1}, {}, 2),
        ({"retry": RetryPolicy(max_retries=3), "max_retries": 1}, {"max_retries": None}, 4),
        ({"retry": RetryPolicy(max_retries=3)}, {"retry": RetryPolicy(max_retries=5)}, 6),
        ({"retry": RetryPolicy(max_retries=3)}, {"retry": None}, 8),
        ({"max_retries": 1}, {"retry": RetryPolicy(max_retries=5)}, 2),
    ],
)
def test_how_often_a_job_is_tried(make_storage, clock, of_task, of_call, attempts):
    app = Qml(make_storage(clock=clock, retry=APP))
    task = app.task(**of_task)(plain)
    job = (task.using(**of_call) if of_call else task).enqueue("x")  # "x" + 2 fails
    server = app.server()
    for _ in range(attempts):
        assert server.step() == 1
        clock.advance(4000)
    assert server.step() == 0
    done = app.storage.get(job.id)
    assert (done.state.kind, done.attempt) == (StateKind.FAILED, attempts)
    assert done.state.retry_count == attempts - 1


@pytest.mark.parametrize(
    ("of_task", "of_call", "seconds"),
    [
        ({}, {}, None),
        ({"timeout_seconds": None}, {}, None),
        ({"timeout_seconds": 5}, {}, 5),
        ({}, {"timeout_seconds": 2.5}, 2.5),
        ({"timeout_seconds": 5}, {"timeout_seconds": None}, None),
        ({"timeout_seconds": 5}, {"timeout_seconds": 1}, 1),
        ({"timeout_seconds": 5}, {"priority": 1}, 5),
    ],
)
def test_how_long_a_job_may_run(app, of_task, of_call, seconds):
    task = app.task(**of_task)(plain)
    job = (task.using(**of_call) if of_call else task).enqueue(1)
    assert app.storage.get(job.id).timeout_seconds == seconds


def test_the_apps_policy_holds_for_its_tasks_whatever_the_storage_says(make_storage, clock):
    app = Qml(make_storage(clock=clock), retry=RetryPolicy(max_retries=0))
    job = app.task(plain).enqueue("x")
    app.server().step()
    assert app.storage.get(job.id).state.kind is StateKind.FAILED


def test_an_app_without_a_policy_of_its_own_has_its_storages(make_storage, clock):
    app = Qml(make_storage(clock=clock, retry=RetryPolicy(max_retries=1, base=50)))
    job = app.task(plain).enqueue("x")
    app.server().step()
    assert app.storage.get(job.id).state.retry_at == clock.now() + timedelta(seconds=50)
