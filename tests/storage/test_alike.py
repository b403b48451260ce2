"""Jobs that are like the one before in a batch are written as each would be by itself."""

from datetime import UTC, datetime

import attrs
import pytest

from qml import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    Followup,
    Job,
    Processing,
    Qml,
    Retention,
    RetryPolicy,
    Scheduled,
    SerializationError,
    Succeeded,
    UniqueKeyTaken,
    connect,
)
from qml.seam import codec
from qml.storage import storing
from qml.values.notes import Notes, Progress
from qml.values.rate import Rate
from qml.values.times import to_micros
from qml.values.trusted import changed

NOW = 1_900_000_000_000_000
WHEN = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 2, tzinfo=UTC)
DIGITS = str(to_micros(WHEN))

DIFFERENT = (
    {"method": "other"},
    {"arguments": [1]},
    {"kwargs": {"b": "ä", "a": 2}},
    {"queue": "mail"},
    {"priority": 5},
    {"max_retries": 7},
    {"timeout_seconds": 30},
    {"timeout_seconds": 30.0},
    {"job_type": "type"},
    {"metadata": {"m": 1}},
    {"unique_key": "k"},
    {"unique_key": "l"},
    {"unique_key": "m", "unique_while": "queued"},
    {"unique_while": "queued"},
    {"expires_at": WHEN},
    {"retention": Retention(succeeded=5)},
    {"on_failure": Followup("f", arguments=[1])},
    {"on_failure": Followup("f", arguments=[1.0])},
    {"on_success": Followup("f")},
    {"schedule": "s", "slot": WHEN},
    {"concurrency_key": "c", "concurrency_limit": 2},
    {"rate": Rate(2, 1.0), "rate_key": "r"},
    {"batch": "b"},
    {"batch": "b", "place": 1},
    {"after": ("one",)},
    {"after_batch": "night"},
    {"after_batch": "night", "needs_success": False},
    {"created_at": WHEN},
    {"created_at": WHEN, "state": Enqueued(WHEN)},
    {"created_at": LATER, "state": Enqueued(LATER)},
    {"created_at": LATER, "state": Enqueued(WHEN)},
    {"created_at": WHEN, "state": Enqueued(WHEN, "mail"), "queue": "mail"},
    {"created_at": WHEN, "state": Enqueued(WHEN, "mail")},
    {"created_at": WHEN, "state": Enqueued(WHEN, DIGITS), "queue": DIGITS},
    {"created_at": LATER, "state": Enqueued(LATER, DIGITS), "queue": DIGITS},
    {"attempt": 2, "fence": 3, "version": 4},
    {"notes": Notes(Progress(WHEN, 0.5, ""), (), {})},
    {"state": Succeeded(WHEN, 1, 1)},
    {"state": Succeeded(WHEN, 1, True)},
    {"state": Scheduled(WHEN, WHEN)},
    {"state": Failed(WHEN)},
    {"state": Deleted(WHEN), "unique_key": "n"},
    {"state": Processing(WHEN, "w")},
    {"state": AwaitingRetry(WHEN, WHEN)},
)


def limits():
    return storing.Limits(RetryPolicy(max_retries=3), 30_000_000, 1_000_000)


def rows(*jobs, within=None, now=NOW):
    """As they are inserted: their own seq does not count."""
    return [row._replace(seq=None) for row in storing._rows(jobs, now, within or limits())]


def same(one, other):
    """Equal, and of the same types: 1 is not 1.0."""
    return repr(one) == repr(other)


def test_each_is_written_as_if_it_were_alone():
    plain = Job("m")
    jobs = [changed(plain, id=str(n), **fields) for n, fields in enumerate(({}, *DIFFERENT))]
    alone = {job.id: rows(job) for job in jobs}
    within = limits()
    for first in jobs:
        third = changed(first, id="other", arguments=["third"])
        by_itself = rows(third)
        for second in jobs:
            expected = alone[first.id] + alone[second.id] + by_itself
            assert same(rows(first, second, third), expected)
            assert same(rows(first, second, third, within=within), expected)
            for job, row in ((second, alone[second.id]), (third, by_itself)):
                assert same(rows(job, within=within), row)


def test_each_field_is_tried():
    tried = {name for fields in DIFFERENT for name in fields}
    kept = {"id", "seq", "max_attempts", "lease_expires_at", "failures", "damage"}
    assert tried | kept == {field.name for field in attrs.fields(Job)}


def test_what_goes_by_the_time_of_the_call_does_not_last():
    within = limits()
    assert rows(within=within) == []
    for state in (Succeeded(WHEN, 1, 1), Processing(WHEN, "w")):
        for now in (NOW, NOW + 5):
            job = Job("m", state=state, created_at=WHEN)
            assert rows(job, within=within, now=now) == rows(job, now=now)


@pytest.fixture
def encoded(monkeypatch):
    """The jobs that were written whole."""
    found = []
    encode = codec.encode_job
    monkeypatch.setattr(
        codec, "encode_job", lambda job, **given: found.append(job.method) or encode(job, **given)
    )
    return found


def test_the_jobs_of_one_task_are_alike_in_all_calls(encoded, clock):
    with Qml("memory://", clock=clock) as jobs:
        tasks = [jobs.task(name=name, queue="mail")(lambda n: None) for name in ("a", "b")]
        stored = []
        for n in range(50):
            stored += [task.enqueue(n) for task in tasks]
            clock.advance(0.25)
        assert stored == [jobs.storage.get(job.id) for job in stored]
        assert len({job.created_at for job in stored}) == 50
        assert encoded == ["a", "b"]


OPTIONS = (
    {},
    {"queue": "mail", "priority": 5, "job_type": "type"},
    {"max_retries": 7, "timeout_seconds": 30},
    {"metadata": {"m": ["ä"]}},
    {"retention": Retention(succeeded=5), "on_failure": Followup("f", arguments=[1])},
    {"concurrency_limit": 2, "rate": Rate(2, 1.0)},
    {"batch": "b"},
    {"run_after": 5.0},
    {"expires_after": 5.0},
    {"unique_by": True},
)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_jobs_of_a_task_are_stored_as_they_are_told(options, clock):
    with Qml("memory://", clock=clock) as jobs:
        task = jobs.task(name="t", **options)(lambda n, to="": None)
        told = []
        for n in range(4):
            told += [task.enqueue(n, to="ü"), *task.enqueue_many([(n, "one"), {"n": n}])]
            clock.advance(0.25)
        assert told == [jobs.storage.get(job.id) for job in told]
        by_itself = jobs.storage.enqueue(task.job(9))
        assert [changed(job, **own_of(by_itself)) for job in told] == [by_itself] * 12
        calls = [[*job.arguments, job.kwargs] for job in told[:3]]
        assert calls == [[0, {"to": "ü"}], [0, "one", {}], [{"n": 0}]]


def own_of(job):
    """What each job has of its own."""
    own = ("id", "seq", "arguments", "kwargs", "created_at", "state", "unique_key", "expires_at")
    return {name: getattr(job, name) for name in own}


def test_each_has_metadata_of_its_own():
    with Qml("memory://") as jobs:
        task = jobs.task(name="t", metadata={"m": [1]})(lambda n: None)
        for n in range(5):
            stored = task.enqueue(n)
            assert (stored.metadata, jobs.storage.get(stored.id).metadata) == ({"m": [1]},) * 2
            stored.metadata["m"].append(n)


def test_those_of_one_task_with_other_options_in_turn():
    with Qml("memory://") as jobs:
        task = jobs.task(name="t")(lambda n: None)
        for n in range(5):
            for options in OPTIONS[:4]:
                stored = task.using(**options).enqueue(n)
                assert stored == jobs.storage.get(stored.id)
                assert all(getattr(stored, name) == value for name, value in options.items())


def test_a_key_that_all_of_a_task_have():
    with Qml("memory://") as jobs:
        task = jobs.task(name="t", unique_key="k")(lambda n: None)
        for n in range(5):
            held = task.enqueue(n)
            with pytest.raises(UniqueKeyTaken, match=held.id):
                task.enqueue(n)
            with pytest.raises(UniqueKeyTaken, match=held.id):
                task.enqueue_many([(1,), (2,)])
            jobs.storage.cancel(held.id)
        assert len(jobs.storage.list()) == 5


def test_one_of_a_task_that_is_too_large():
    with Qml("memory://", max_job_bytes=100) as jobs:
        task = jobs.task(name="t", metadata={"m": "x" * 30})(lambda text: None)
        for n in range(5):
            with pytest.raises(SerializationError, match="come to 109 bytes"):
                task.enqueue_many([("x",), ("x" * 62,)])
            task.enqueue("x" * (n + 30))
        assert len(jobs.storage.list()) == 5


def test_a_storage_whose_settings_change_begins_anew():
    with connect("memory://") as storage:
        most = storage.retry_policy.max_retries + 1
        assert [storage.enqueue(Job("t")).max_attempts for _ in range(2)] == [most] * 2
        storage.retry_policy = RetryPolicy(max_retries=41)
        assert [storage.enqueue(Job("t")).max_attempts for _ in range(2)] == [42] * 2
        storage.max_job_bytes = 50
        with pytest.raises(SerializationError):
            storage.enqueue(Job("t", ["x" * 60]))


def test_only_so_many_methods_are_kept(encoded):
    within = limits()
    for n in range(storing.PATTERNS_KEPT + 10):
        rows(Job(f"m{n}"), within=within)
    assert len(within.patterns) == 10


def test_the_jobs_of_one_call_are_alike(encoded):
    with Qml("memory://") as jobs:
        task = jobs.task(name="t", queue="mail", unique_by=["n"])(lambda n, to="": None)
        stored = task.enqueue_many([(n,) for n in range(50)] + [{"n": n} for n in range(50, 100)])
        assert [job.arguments or job.kwargs for job in stored[49:51]] == [[49], {"n": 50}]
        assert stored == [jobs.storage.get(job.id) for job in stored]
    assert len(encoded) == 1
