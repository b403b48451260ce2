"""What a job's record tells of its past, in order."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from qml import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    Failure,
    Job,
    LogLine,
    Notes,
    Processing,
    Progress,
    Scheduled,
    Succeeded,
)
from qml.values.timeline import Moment, timeline

BEGIN = datetime(2031, 5, 6, tzinfo=UTC)


def at(seconds):
    return BEGIN + timedelta(seconds=seconds)


def job(state, **parts):
    made = Job("t", queue="mail", priority=3, created_at=at(0), state=state)
    return attrs.evolve(made, **parts)


CREATED = Moment(at(0), "created", "queue mail, priority 3")


@pytest.mark.parametrize(
    ("state", "moments"),
    [
        (Enqueued(at(1)), [Moment(at(1), "enqueued")]),
        (
            Scheduled(at(1), at(9), "later"),
            [Moment(at(1), "scheduled", "later"), Moment(at(9), "due")],
        ),
        (
            AwaitingRetry(at(1), at(9), 2, "OSError: no"),
            [Moment(at(1), "awaiting_retry", "OSError: no", 2), Moment(at(9), "due")],
        ),
        (Processing(at(1), "w", "s"), [Moment(at(1), "processing", "w on s", 2)]),
        (
            Succeeded(at(9), 7_000.0),
            [Moment(at(2), "processing", "", 2), Moment(at(9), "succeeded", "ran 7.0 s", 2)],
        ),
        (Failed(at(9), "E: no", "", 1), [Moment(at(9), "failed", "E: no after 1 retries", 2)]),
        (Deleted(at(9), "not needed"), [Moment(at(9), "deleted", "not needed")]),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_each_state_tells_what_it_knows(state, moments):
    assert timeline(job(state, attempt=2)) == [CREATED, *moments]


def test_attempts_and_notes_come_in_their_order():
    failures = tuple(Failure(n, at(10 * n), "w", f"E: {n}", "trace") for n in (1, 2))
    notes = Notes(Progress(at(25), 0.4, "rows"), (LogLine(at(15), 2, "begun"),))
    told = timeline(job(Enqueued(at(20)), failures=failures, notes=notes, attempt=2))
    assert [(moment.at, moment.what, moment.detail, moment.attempt) for moment in told[1:]] == [
        (at(10), "attempt failed", "E: 1 (w)", 1),
        (at(15), "log", "begun", 2),
        (at(20), "attempt failed", "E: 2 (w)", 2),
        (at(20), "enqueued", "", None),
        (at(25), "progress", "40%: rows", None),
    ]


def test_what_is_forgotten_is_said():
    failures = tuple(Failure(n, at(n), "", "E", "") for n in range(11, 31))
    told = timeline(job(Failed(at(30), "E", "", 29), failures=failures, attempt=30))
    assert [moment.what for moment in told][:3] == ["created", "forgotten", "attempt failed"]
    assert "before attempt 11" in told[1].detail


def test_nobody_knows_when_a_job_is_due_that_waits_for_others():
    assert [moment.what for moment in timeline(Job("t", after=("a",)))] == ["created", "scheduled"]
