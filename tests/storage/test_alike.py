"""Jobs that are like the one before in a batch are written as each would be by itself."""

from datetime import UTC, datetime

import attrs

from qml import (
    AwaitingRetry,
    Deleted,
    Failed,
    Followup,
    Job,
    Processing,
    Qml,
    Retention,
    RetryPolicy,
    Scheduled,
    Succeeded,
)
from qml.seam import codec
from qml.storage import storing
from qml.values.notes import Notes, Progress
from qml.values.rate import Rate
from qml.values.trusted import changed

LIMITS = storing.Limits(RetryPolicy(max_retries=3), 30_000_000, 1_000_000)
NOW = 1_900_000_000_000_000
WHEN = datetime(2030, 1, 1, tzinfo=UTC)

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


def rows(*jobs):
    """As they are inserted: their own seq does not count."""
    return [row._replace(seq=None) for row in storing._rows(jobs, NOW, LIMITS)]


def same(one, other):
    """Equal, and of the same types: 1 is not 1.0."""
    return repr(one) == repr(other)


def test_each_is_written_as_if_it_were_alone():
    plain = Job("m")
    jobs = [changed(plain, id=str(n), **fields) for n, fields in enumerate(({}, *DIFFERENT))]
    alone = {job.id: rows(job) for job in jobs}
    for first in jobs:
        for second in jobs:
            third = changed(first, id="other", arguments=["third"])
            assert same(
                rows(first, second, third), alone[first.id] + alone[second.id] + rows(third)
            )


def test_each_field_is_tried():
    tried = {name for fields in DIFFERENT for name in fields}
    kept = {"id", "seq", "max_attempts", "lease_expires_at", "failures", "damage"}
    assert tried | kept == {field.name for field in attrs.fields(Job)}


def test_the_jobs_of_one_call_are_alike(monkeypatch):
    encoded = []
    encode = codec.encode_job
    monkeypatch.setattr(
        codec, "encode_job", lambda job, **given: encoded.append(job) or encode(job, **given)
    )
    with Qml("memory://") as jobs:
        task = jobs.task(name="t", queue="mail", unique_by=["n"])(lambda n, to="": None)
        stored = task.enqueue_many([(n,) for n in range(50)] + [{"n": n} for n in range(50, 100)])
        assert [job.arguments or job.kwargs for job in stored[49:51]] == [[49], {"n": 50}]
        assert stored == [jobs.storage.get(job.id) for job in stored]
    assert len(encoded) == 1
