"""Keys made from arguments: equal if and only if the arguments are, checked when a task is made."""

import math
from datetime import datetime
from inspect import signature

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qml import ConfigurationError, InvalidArguments, Qml, SerializationError, UniqueKeyTaken
from qml.work.keys import LONGEST, Keys, unique_key
from tests.work.support import Paused


def report(user_id, day="today", *, deep=None):
    return [user_id, day, deep]


def gathers(first, *rest, **more):
    return first


def bound(function, args, kwargs):
    return signature(function).bind(*args, **kwargs)


def key(function=report, /, *args, by=True, **kwargs):
    keys = Keys("report", signature(function), by, {})
    return keys.of(bound(function, args, kwargs))["unique_key"]


def filled(template, *args, function=report, **kwargs):
    keys = Keys("report", signature(function), None, {"concurrency_key": template})
    return keys.of(bound(function, args, kwargs))["concurrency_key"]


# -- equal if and only if the arguments are --------------------------------------------------------

SMALL = st.sampled_from(
    [
        *(None, False, 0, -0.0, 0.0, True, 1, 1.0, "1", "", "a", "\0", "é", "e\u0301", [], {}),
        *(2**64, float(2**64), "null", "true", 1e22, 10**22, '"', "\\", "{}"),
    ]
)


def nested(values):
    keys = st.sampled_from(["a", "b", "", "1", "é", "e\u0301"])
    return st.lists(values, max_size=2) | st.dictionaries(keys, values, max_size=2)


VALUES = st.recursive(SMALL, nested, max_leaves=4)


def same(one, other):
    """The oracle: of one type, and alike in every part. Sets of keys have no order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[name], other[name]) for name in one)
    return one == other


def reordered(value):
    if isinstance(value, list):
        return [reordered(item) for item in value]
    if isinstance(value, dict):
        return {name: reordered(value[name]) for name in reversed(value)}
    return value


@given(VALUES, VALUES)
@example(0, -0.0)
@example(0.0, -0.0)
@example(1, True)
@example(1, 1.0)
@example(1, "1")
@example({"a": 1, "b": [{"a": 1, "b": 2}]}, {"b": [{"b": 2, "a": 1}], "a": 1})
@example([], {})
@example(["a", "b"], ["a", ["b"]])
@settings(max_examples=400, deadline=None)
def test_keys_are_equal_if_and_only_if_the_arguments_are(one, other):
    assert (key(report, one) == key(report, other)) == same(one, other)
    assert (key(report, 0, deep=one) == key(report, 0, deep=other)) == same(one, other)
    assert key(report, one) == key(report, reordered(one))


@given(VALUES, VALUES)
@settings(max_examples=100, deadline=None)
def test_that_holds_for_long_ones_too(one, other):
    """They are hashed: of a hundred values each is in the hash, the last as well as the first."""
    long = ["x" * LONGEST]
    made = key(report, [*long, one]), key(report, [*long, other])
    assert (made[0] == made[1]) == same(one, other)
    assert max(map(len, made)) <= LONGEST


@pytest.mark.parametrize("task", ["t", "a.name.that.takes.all.the.room." * 100])
def test_a_long_key_is_short_and_tells_its_task(task):
    made = unique_key(task, {"text": "x" * 1_000_000})
    assert len(made) <= LONGEST
    assert task[:80] in made
    assert made != unique_key(task + "2", {"text": "x" * 1_000_000})
    assert made != unique_key(task, {"text": "x" * 999_999})


def test_tasks_do_not_share_keys():
    assert unique_key("a", {"n": 1}) != unique_key("b", {"n": 1})
    assert unique_key("a", {}) != unique_key('a",{}', {})


def test_it_does_not_matter_how_an_argument_was_passed():
    ways = [key(report, 7, "today"), key(report, 7, day="today"), key(report, user_id=7)]
    assert set(ways) == {key(report, day="today", user_id=7, deep=None)}
    assert key(report, (1, (2,))) == key(report, [1, [2]])  # a tuple is stored as a list


def test_only_the_arguments_that_are_named_count():
    assert key(report, 7, "a", by=("user_id",)) == key(report, 7, "b", by=("user_id",))
    assert key(report, 7, "a", by=("user_id",)) != key(report, 8, "a", by=("user_id",))
    assert key(report, 7, "a", by=("day", "user_id")) == key(report, 7, "a", by=("user_id", "day"))
    assert key(report, 7, by=()) == key(report, 8, by=())  # none counts: one job of the task


def test_names_do_not_run_into_each_other():
    def pair(a=None, b=None):
        return a

    assert key(pair, 1, None) != key(pair, None, 1)


def test_what_a_task_gathers_is_one_argument():
    assert key(gathers, 1, 2, 3) == key(gathers, 1, 2, 3)
    assert key(gathers, 1, 2, 3) != key(gathers, 1, 2)
    assert key(gathers, 1, a=1, b=2) == key(gathers, 1, b=2, a=1)
    assert key(gathers, 1, a=1) != key(gathers, 1, a=2)
    assert key(gathers, 1, 2, by=("first",)) == key(gathers, 1, a=2, by=("first",))
    assert key(gathers, 1, 2, by=("rest",)) != key(gathers, 1, 3, by=("rest",))
    assert key(gathers, 1, x=2, by=("more",)) != key(gathers, 1, x=3, by=("more",))


# -- what is wrong, and when it is said ------------------------------------------------------------


@pytest.fixture
def jobs():
    with Qml("memory://") as app:
        yield app


@pytest.mark.parametrize("wrong", ["user_id", 5, False, [1], {"user_id": 1}, [None]])
def test_what_is_no_list_of_names_is_refused(jobs, wrong):
    with pytest.raises(ConfigurationError, match=r"unique_by is .*give a list of the names"):
        jobs.task(unique_by=wrong)


def test_an_unknown_name_is_refused_at_the_decoration_and_the_known_ones_named(jobs):
    with pytest.raises(ConfigurationError) as error:
        jobs.task(name="report", unique_by=["user"])(report)
    assert str(error.value) == (
        "task report: unique_by names 'user', which is no parameter; there are user_id, day, deep"
    )
    with pytest.raises(ConfigurationError, match=r"'x', which is no parameter; it has none"):
        jobs.task(unique_by=["x"])(lambda: 1)
    with pytest.raises(ConfigurationError, match=r"names 'x'.* there are first, rest, more"):
        jobs.task(unique_by=["x"])(gathers)
    with pytest.raises(ConfigurationError, match="names 'user'"):
        jobs.task(name="report")(report).using(unique_by=["user"])


def test_a_default_that_could_never_be_in_a_key_is_refused_at_the_decoration(jobs):
    def since(user_id, start=datetime.min, *, end=None):
        return user_id

    with pytest.raises(ConfigurationError, match=r"unique_by .*the default of start is a datetime"):
        jobs.task(unique_by=True)(since)
    assert jobs.task(unique_by=["user_id"])(since).enqueue(1).unique_key


def test_one_key_or_the_other(jobs):
    with pytest.raises(ConfigurationError, match="unique_key is 'k', and unique_by makes one"):
        jobs.task(unique_by=True, unique_key="k")
    task = jobs.task(unique_by=True)(report)
    with pytest.raises(ConfigurationError, match="give one of the two"):
        task.using(unique_key="k")
    assert task.using(unique_key="k", unique_by=None).job(1).unique_key == "k"
    assert task.using(unique_by=None).job(1).unique_key is None


def test_what_json_cannot_keep_is_named_with_task_and_argument(jobs):
    task = jobs.task(name="report", unique_by=True)(report)
    with pytest.raises(SerializationError, match=r"^task report: argument day\['x'\] is a set"):
        task.enqueue(1, {"x": {1}})
    assert jobs.storage.list() == []


def test_a_wrong_policy_is_refused_where_it_is_given(jobs):
    with pytest.raises(ConfigurationError, match="on_conflict is 'skip'; give one of 'raise'"):
        jobs.task(on_conflict="skip")


# -- templates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("bulk", "bulk"),
        ("user:{user_id}", "user:7"),
        ("{user_id}{day}", "7today"),
        ("{day}", "today"),
        ("{{{day}}}", "{today}"),
        ("{{day}}", "{day}"),
        ("a{{b}}c {user_id}.", "a{b}c 7."),
        ("{deep}", "null"),
        ("{user_id}-{user_id}", "7-7"),
    ],
)
def test_a_template_is_filled_with_the_arguments(template, made):
    assert filled(template, 7) == made
    assert filled(template, user_id=7, day="today") == made


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a{b}", "a{b}"),  # it is no template itself
        ("7", "7"),
        (True, "true"),
        (1.0, "1.0"),
        ([1, "a"], '[1,"a"]'),
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
    ],
)
def test_a_text_stands_as_it_is_and_any_other_value_as_its_json(value, text):
    assert filled("{user_id}", value) == text


def test_a_long_key_of_a_template_is_short_and_as_exact():
    """Not every store can index a text of any length."""
    first, second = (filled("user:{user_id}", "x" * 5000 + end) for end in "ab")
    assert first != second
    assert first.startswith("user:xxx")
    assert len(first) <= LONGEST
    assert filled("user:{user_id}", "x" * (LONGEST - 5)) == "user:" + "x" * (LONGEST - 5)


@pytest.mark.parametrize(
    "template",
    [
        *("{user_id.name}", "{user_id[0]}", "{user_id!r}", "{user_id:>5}", "{}", "{0}"),
        *("{ user_id }", "{user_id", "user_id}", "}{", "{{user_id}", "{user_id:}", "{a{b}}"),
    ],
)
def test_anything_but_a_plain_name_is_refused(template):
    with pytest.raises(ConfigurationError, match=r"task report: concurrency_key .*in braces"):
        filled(template, 7)


def test_an_unknown_name_in_a_template_is_refused_and_the_known_ones_named():
    with pytest.raises(
        ConfigurationError, match=r"concurrency_key names 'user'.* user_id, day, deep"
    ):
        filled("user:{user}", 7)


@pytest.mark.parametrize("value", ["", "a\0b"])
def test_a_call_that_makes_no_key_is_refused_with_task_and_argument(value):
    with pytest.raises(InvalidArguments, match=r"task report: concurrency_key '\{day\}'.*day='"):
        filled("{day}", 7, value)
    assert filled("x{day}", 7, "") == "x"


def test_a_template_of_what_json_cannot_keep_names_task_and_argument():
    with pytest.raises(SerializationError, match="task report: argument user_id is a set"):
        filled("{user_id}", {1})


def limits(job):
    return job.concurrency_key, job.concurrency_limit, str(job.rate), job.rate_key


def test_a_task_has_limits_by_templates(jobs):
    task = jobs.task(
        name="report",
        concurrency_key="user:{user_id}",
        concurrency_limit=2,
        rate="20/s",
        rate_key="{day}",
    )(report)
    assert limits(task.job(7)) == ("user:7", 2, "20/s", "today")
    assert limits(task.using(rate="5/min").job("a", "b")) == ("user:a", 2, "5/min", "b")
    assert limits(task.enqueue_many([(1,), (2,)])[1]) == ("user:2", 2, "20/s", "today")


def test_a_limit_without_a_key_is_the_tasks_own(jobs):
    task = jobs.task(name="report", concurrency_limit=2, rate="100/min")(report)
    assert limits(task.job(7)) == ("report", 2, "100/min", "report")
    assert limits(jobs.task(name="plain")(report).job(7)) == (None, None, "None", None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"concurrency_key": "a"}, "concurrency_limit None; give both"),
        ({"rate_key": "a"}, "rate None; give both"),
        ({"concurrency_limit": 0}, "concurrency_limit is 0"),
        ({"concurrency_limit": 1, "concurrency_key": ""}, "concurrency_key is ''"),
        ({"rate": "often"}, "rate is 'often'; give a text such as"),
        ({"rate": "1/s", "rate_key": "{user}"}, "rate_key names 'user'"),
        ({"concurrency_limit": 1, "concurrency_key": "{user}"}, "concurrency_key names 'user'"),
    ],
)
def test_a_wrong_limit_is_refused_at_the_decoration(jobs, options, says):
    with pytest.raises(ConfigurationError, match=says):
        jobs.task(**options)(report)


# -- as tasks use them -----------------------------------------------------------------------------


def test_a_task_by_its_arguments(app):
    task = app.task(name="report", unique_by=["user_id"])(report)
    first = task.enqueue(7, "monday")
    with pytest.raises(UniqueKeyTaken, match=r"\(report\): unique key '\[\"report\",") as taken:
        task.enqueue(user_id=7, day="tuesday")
    assert taken.value.job_id == first.id
    assert task.enqueue("7").id != first.id
    assert [job.arguments for job in app.storage.list()] == [["7"], [7, "monday"]]
    app.server().step()
    app.server().step()
    assert task.enqueue(7).id != first.id


def test_a_task_says_what_a_conflict_does(app):
    task = app.task(name="report", unique_by=["user_id"], on_conflict="existing")(report)
    first = task.enqueue(7, "monday")
    assert task.enqueue(7, "tuesday") == first
    assert task.enqueue_many([(7,), (8,), (8, "x")])[0] == first
    replaced = task.using(on_conflict="replace", run_after=60).enqueue(7, "friday")
    assert (replaced.id, replaced.arguments, replaced.version) == (first.id, [7, "friday"], 1)
    assert replaced.state.kind == "scheduled"
    with pytest.raises(UniqueKeyTaken):
        task.using(on_conflict="raise").enqueue(7)
    assert len(app.storage.list()) == 2


def test_debouncing_by_replace_runs_the_last(app, clock):
    task = app.task(name="report", unique_by=["user_id"], on_conflict="replace")(report)
    jobs = []
    for day in ("monday", "tuesday", "friday"):
        jobs.append(task.using(run_after=10).enqueue(7, day))
        clock.advance(9)
    assert app.server().step() == 0  # put off again and again
    clock.advance(1)
    assert app.server().step() == 1
    assert app.result(jobs[0], timeout=0) == [7, "friday", None]


def test_a_lost_answer_is_asked_again_with_the_same_job(app):
    """The id tells: it is stored already, by the first call."""
    task = app.task(name="report", unique_by=True, on_conflict="existing")(report)
    job = task.job(7)
    stored = app.storage.enqueue(job, on_conflict="existing")
    assert task.enqueue(7) == stored
    app.storage.driver = Paused(app.storage.driver)
    app.storage.driver.before["load"] = lambda: app.storage.cancel(job.id)
    assert task.enqueue(7).id != job.id
