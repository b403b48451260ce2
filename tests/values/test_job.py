"""Job: an immutable value, checked when made."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qml import (
    Deleted,
    Enqueued,
    Failed,
    Failure,
    Followup,
    Job,
    Notes,
    Processing,
    Retention,
)
from qml.testing import strategies
from qml.values.errors import ConfigurationError, SerializationError
from qml.values.rate import Rate

MOMENT = datetime(2031, 5, 6, 7, 8, 9, 123_456, UTC)

FIELDS = [field.name for field in attrs.fields(Job)]


def test_the_order_of_what_is_given():
    assert [name for name in FIELDS if not attrs.fields_dict(Job)[name].kw_only] == [
        "method",
        "arguments",
        "kwargs",
    ]


def test_the_defaults():
    job = Job("m")
    assert (job.arguments, job.kwargs, job.metadata) == ([], {}, {})
    assert (job.queue, job.priority, job.unique_while) == ("default", 0, "unfinished")
    nothing = ("max_retries", "timeout_seconds", "job_type", "unique_key", "lease_expires_at")
    assert {getattr(job, name) for name in (*nothing, "max_attempts", "seq", "damage")} == {None}
    assert (job.version, job.attempt, job.fence, job.failures) == (0, 0, 0, ())
    assert abs(job.created_at - datetime.now(UTC)) < timedelta(seconds=10)
    assert job.created_at.tzinfo is UTC


def test_it_begins_enqueued_when_it_was_created_in_its_queue():
    job = Job("m", queue="mail", created_at=MOMENT)
    assert job.state == Enqueued(MOMENT, "mail")


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_can_be_set(name):
    job = Job("m")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(job, name, getattr(job, name))


def test_no_other_attribute_can_be_set():
    with pytest.raises((attrs.exceptions.FrozenInstanceError, AttributeError)):
        Job("m").colour = "red"


@pytest.mark.parametrize("name", ["arguments", "kwargs", "metadata"])
def test_it_keeps_a_copy_of_its_own(name):
    inner = [1]
    given_value = [inner] if name == "arguments" else {"k": inner}
    job = Job("m", **{name: given_value})
    other = Job("m", **{name: given_value})
    inner.append(2)
    given_value.clear()
    assert getattr(job, name) == ([[1]] if name == "arguments" else {"k": [1]})
    assert getattr(job, name) is not getattr(other, name)
    assert getattr(Job("a"), name) is not getattr(Job("b"), name)


def test_a_moved_job_shares_nothing_with_the_old():
    job = Job("m", [[1]], {"k": [1]}, metadata={"k": [1]})
    moved = job.with_state(Deleted())
    for name in ("arguments", "kwargs", "metadata"):
        assert getattr(moved, name) == getattr(job, name)
        assert getattr(moved, name) is not getattr(job, name)


def test_tuples_become_lists():
    job = Job("m", (1, (2, [(3,)])), {"k": (4,)}, metadata={"k": ((),)})
    assert job.arguments == [1, [2, [[3]]]]
    assert (job.kwargs, job.metadata) == ({"k": [4]}, {"k": [[]]})


NAME = "give text that is not empty"
LOW_HIGH = "give a whole number from -2,147,483,647 to 2,147,483,647"
RETRIES = "give a whole number from 0 to 1,000,000"
SECONDS = "give seconds, more than 0, or None for no limit"
NAMES = ("method", "queue", "id", "job_type", "unique_key")

WRONG = [
    *[(name, value, NAME) for name in NAMES for value in ("",)],
    *[(name, value, NAME) for name in NAMES if name != "queue" for value in (5, b"x")],
    ("method", None, NAME),
    *[(name, "a\0b", "a name has no NUL in it") for name in NAMES],
    *[("priority", value, LOW_HIGH) for value in (True, 1.0, "1", None, 2**31, -(2**31))],
    *[("max_retries", value, RETRIES) for value in (-1, True, 1.0, "1", 1_000_001)],
    *[
        ("timeout_seconds", value, SECONDS)
        for value in (0, -1, True, "1", float("nan"), float("inf"), 1e9)
    ],
    *[("unique_while", value, "give one of unfinished, queued") for value in ("", "ever", None)],
    *[("needs_success", value, "give True or False") for value in (None, 1, "yes")],
    *[("after", value, "give the ids of jobs") for value in (None, 5, "a", [5], [""])],
    *[("arguments", value, "give a list") for value in ("abc", {"a": 1}, 5, None, {1})],
    *[("kwargs", value, "give a dict") for value in ([], (), [("a", 1)], None, "x")],
    *[("metadata", value, "give a dict") for value in ([], (), None, "x")],
    *[("state", value, "give a state, such as Enqueued()") for value in ("enqueued", None)],
    ("state", Enqueued, "give a state, such as Enqueued()"),
    *[("created_at", value, "give an aware datetime") for value in (5, None, "2030-01-01")],
    ("created_at", datetime(2030, 1, 1), "Give an aware one"),
]


@pytest.mark.parametrize(("name", "value", "remedy"), WRONG)
def test_an_error_names_field_value_and_remedy(name, value, remedy):
    with pytest.raises(ConfigurationError) as caught:
        Job(**{"method": "m", name: value})
    assert str(caught.value).startswith(f"Job {name} is {value!r}")
    assert remedy in str(caught.value)


@pytest.mark.parametrize("value", [5, b"x", None])
def test_a_queue_is_text(value):
    with pytest.raises(ConfigurationError, match=rf"queue is {value!r}; give text"):
        Job("m", queue=value)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_that_can_be_written(name):
    with pytest.raises(SerializationError, match=f"^Job {name} holds the lone surrogate"):
        Job(**{"method": "m", name: "a\udc80"})


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"arguments": [1, {"a": [b"x"]}]}, "arguments[1]['a'][0] is a bytes"),
        ({"arguments": [float("nan")]}, "arguments[0] is nan"),
        ({"kwargs": {"to": {"deep": {1, 2}}}}, "kwargs['to']['deep'] is a set"),
        ({"kwargs": {1: 2}}, "kwargs has the key 1"),
        ({"metadata": {"a": "\ud800"}}, "metadata['a'] holds the lone surrogate"),
    ],
)
def test_what_json_cannot_keep_is_named_with_its_path(fields, path):
    with pytest.raises(SerializationError, match=f"^{re.escape(path)}"):
        Job("m", **fields)


def test_the_edges_are_allowed():
    for priority in (2**31 - 1, -(2**31) + 1):
        assert Job("m", priority=priority).priority == priority
    assert [Job("m", max_retries=n).max_retries for n in (0, 1_000_000)] == [0, 1_000_000]
    assert [Job("m", timeout_seconds=n).timeout_seconds for n in (1e-6, 3)] == [1e-6, 3]
    assert Job("m", unique_key=" ", unique_while="queued").unique_while == "queued"


def test_created_at_is_kept_in_utc():
    job = Job("m", created_at=MOMENT.astimezone(timezone(timedelta(hours=5, minutes=45))))
    assert (job.created_at, job.created_at.tzinfo) == (MOMENT, UTC)


def test_with_metadata():
    job = Job("m", metadata={"a": [1], "b": 2})
    new = job.with_metadata(b=None, c=(3,))
    assert new.metadata == {"a": [1], "b": None, "c": [3]}
    assert [*new.metadata] == ["a", "b", "c"]
    assert job.metadata == {"a": [1], "b": 2}
    assert new.metadata["a"] is not job.metadata["a"]
    assert attrs.evolve(new, metadata=job.metadata) == job
    assert job.with_metadata() == job
    with pytest.raises(SerializationError, match=r"^metadata\['x'\] is an object"):
        job.with_metadata(x=object())


def test_equality_leaves_out_the_place_and_the_policy_only():
    job = Job("m", [1], id="x", created_at=MOMENT)
    assert attrs.evolve(job, seq=5, max_attempts=7) == job
    others = {
        "method": "n", "arguments": [2], "kwargs": {"a": 1}, "queue": "q", "priority": 1,
        "max_retries": 1, "timeout_seconds": 1, "job_type": "t", "metadata": {"a": 1},
        "unique_key": "k", "unique_while": "queued", "id": "y", "version": 1, "attempt": 1,
        "created_at": MOMENT + timedelta(microseconds=1), "state": Failed(MOMENT), "fence": 1,
        "lease_expires_at": MOMENT, "damage": "d", "failures": (Failure(1, MOMENT, "w", "E", ""),),
        "expires_at": MOMENT, "retention": Retention(failed=1), "on_failure": Followup("f"),
        "schedule": "s", "slot": MOMENT, "notes": Notes().with_progress(0.5, "", MOMENT),
        "on_success": Followup("f"), "batch": "b", "place": 1, "after": ("z",), "after_batch": "b",
        "needs_success": False,
    }  # fmt: skip
    pairs = {
        ("concurrency_key", "concurrency_limit"): ("k", 1),
        ("rate", "rate_key"): (Rate(1), "k"),
    }
    known = {*others, *(name for pair in pairs for name in pair)}
    assert {*known, "seq", "max_attempts"} == {*FIELDS}
    for names, values in pairs.items():
        assert attrs.evolve(job, **dict(zip(names, values, strict=True))) != job, names
    for name, value in others.items():
        assert attrs.evolve(job, **{name: value}) != job, name
    assert job != "x"


failures = st.lists(
    st.builds(
        Failure,
        st.integers(1, 99),
        strategies.moments(),
        strategies.names(),
        strategies.texts(),
        strategies.texts(),
    ),
    max_size=3,
).map(tuple)
counts = st.integers(0, 2**40)
any_jobs = strategies.jobs(
    state=strategies.states(),
    unique_key=st.none() | strategies.names(),
    failures=failures,
    version=counts,
    attempt=counts,
    fence=counts,
    lease_expires_at=st.none() | strategies.moments(),
    max_attempts=st.none() | counts,
    seq=st.none() | counts,
    damage=st.none() | strategies.texts(),
)


@given(any_jobs)
def test_the_json_of_a_job_is_the_whole_job(job):
    again = Job.from_json(job.to_json())
    assert again == job
    # Types, -0.0, order of keys; seq and max_attempts too.
    assert repr(again) == repr(job).replace(", fold=1", "")
    assert again.to_json() == job.to_json()


def test_the_json_can_be_read_by_others():
    job = Job("m", [1, "ä"], id="x", created_at=MOMENT, state=Processing(MOMENT, "w", "s"))
    data = json.loads(job.to_json())
    assert {*data} == {*FIELDS}
    assert data["arguments"] == [1, "ä"]
    assert data["created_at"] == "2031-05-06T07:08:09.123456+00:00"
    assert data["state"] == {
        "kind": "processing",
        "started_at": "2031-05-06T07:08:09.123456+00:00",
        "worker_id": "w",
        "server_name": "s",
    }


BORN = '{"id":"j","created_at":"2030-01-01T00:00:00+00:00",'


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", "5", "null", '"x"',
        '{"method":"m"}',
        '{"method":"m","state":5}',
        '{"method":"m","state":{}}',
        '{"method":"m","state":{"kind":"nope"}}',
        '{"method":"m","state":{"kind":"scheduled"}}',
        '{"method":"m","state":{"kind":"enqueued","enqueued_at":"noon"}}',
        '{"method":"m","state":{"kind":"enqueued","enqueued_at":"2030-01-01"}}',
        '{"method":"m","state":{"kind":"enqueued","colour":"red"}}',
        '{"method":"","state":{"kind":"enqueued"}}',
        '{"state":{"kind":"enqueued"}}',
        '{"method":"m","state":{"kind":"enqueued"},"failures":5}',
        '{"method":"m","state":{"kind":"enqueued"},"failures":[{}]}',
        '{"method":"m","state":{"kind":"enqueued"},"created_at":"noon"}',
        '{"method":"m","state":{"kind":"enqueued"},"arguments":[NaN]}',
        '{"method":"m","state":{"kind":"enqueued"},"colour":"red"}',
    ],
)  # fmt: skip
def test_another_text_is_no_job(text):
    text = text.replace('{"method":', BORN + '"method":')
    with pytest.raises(SerializationError):
        Job.from_json(text)


@pytest.mark.parametrize("wrong", ["deleted", None])
def test_with_state_of_what_is_no_state(wrong):
    with pytest.raises(ConfigurationError, match="give a state"):
        Job("m").with_state(wrong)


@pytest.mark.parametrize(
    "more",
    [
        '"version":NaN', '"created_at":"9999-12-31T23:59:59-05:00"', '"version":"x"',
        '"id":null', '"created_at":null', '"state":null', '"failures":null', '"notes":null',
        '"seq":"5"', '"seq":1.5', '"max_attempts":true', '"damage":5',
        '"lease_expires_at":"2030-01-01"', '"after":["\\u0000"]', '"after":["\\ud800"]',
    ],
)  # fmt: skip
def test_a_record_that_no_storage_wrote(more):
    """Some were read as jobs that no storage could take, or as another one with a new id."""
    whole = BORN + '"method":"m","state":{"kind":"enqueued"}'
    assert Job.from_json(whole + "}").id == "j"
    with pytest.raises(SerializationError):
        Job.from_json(f"{whole},{more}}}")


@pytest.mark.parametrize("name", ["id", "created_at", "state"])
def test_a_text_without_what_makes_it_this_job_is_none(name):
    parts = json.loads(Job("m").to_json())
    del parts[name]
    with pytest.raises(SerializationError, match=f"it has no '{name}'"):
        Job.from_json(json.dumps(parts))


def test_jobs_may_be_in_sets():
    """The hash was that of all fields, of which some are lists."""
    one, other = Job("m", [1], {"k": [2]}), Job("m", [1])
    again = Job.from_json(one.to_json())
    assert {one, other, again} == {one, other}
    assert {one: "one"}[again] == "one"
    assert len({one, one.with_metadata(a=1)}) == 2


def test_a_failure_can_always_be_written_down():
    failure = Failure(1, MOMENT, "w", "lone \ud800, NUL \0", "x" * 5_000_000)
    assert failure.exception == "lone \\ud800, NUL \\x00"
    assert len(failure.traceback) < 30_000
    failure.traceback.encode()


@pytest.mark.parametrize(
    ("field", "wrong"), [("at", datetime(2030, 1, 1)), ("worker", None), ("exception", b"x")]
)
def test_a_failure_says_what_is_wrong_with_it(field, wrong):
    parts = {"attempt": 1, "at": MOMENT, "worker": "w", "exception": "e", "traceback": "t"}
    with pytest.raises(ConfigurationError, match=f"Failure {field} is"):
        Failure(**parts | {field: wrong})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("null", "no object with its fields"),
        ("[]", "no object with its fields"),
        ('"text"', "no object with its fields"),
        ("{}", "it has no 'state'"),
        (BORN + '"method":"m","state":{}}', "it has no 'kind'"),
    ],
)
def test_a_text_that_is_no_job_is_told_why(text, why):
    with pytest.raises(SerializationError, match=f"^not the JSON of a job: {why}$"):
        Job.from_json(text)
