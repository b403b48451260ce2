"""Errors that are alike come together, whatever varies in their messages."""

from datetime import UTC, datetime, timedelta

import pytest

from qml import AwaitingRetry, Enqueued, Failed, Job
from qml.values.errorgroups import LENGTH, ErrorGroup, grouped, normalised

BEGIN = datetime(2031, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("ValueError: bad id 7", "ValueError", "bad id …"),
        ("ValueError: bad id 7.", "ValueError", "bad id …."),
        ("ValueError", "ValueError", ""),
        ("app.errors.NotFound: user 'ada' of \"x y\"", "app.errors.NotFound", "user … of …"),
        ("app.f.<locals>.Odd: no", "app.f.<locals>.Odd", "no"),
        ("KeyError: 'name'", "KeyError", "…"),
        ("OSError: [Errno 5] can't read '/tmp/x'", "OSError", "[Errno …] can't read …"),
        ("E: it's 'a', isn't it", "E", "it's …, isn't it"),
        ("E: at 2031-05-06T07:08:09.12+00:00 from 10.0.0.1:5432", "E", "at … from …"),
        ("E: 018f2b7c-1111-7000-8000-00000000abcd is gone", "E", "… is gone"),
        ("E: mail to ada.b@example.com", "E", "mail to …"),
        ("E: -12.5 and 1e9 and user_7", "E", "… and … and …"),
        ("E: first line\nsecond line 7", "E", "first line"),
        ("E:\nmore", "", "E:"),
        ("a worker was lost after 30 s", "", "a worker was lost after … s"),
        ("lost", "lost", ""),
        ("lost\nwith more", "", "lost"),
        ("", "", ""),
        ("Fehler: größer als 3 €", "Fehler", "größer als … €"),
    ],
)
def test_what_varies_is_taken_out(text, kind, message):
    assert normalised(text) == (kind, message)


@pytest.mark.parametrize(
    "odd", ["'" * 5_000, "-" * 5_000, "a" * 5_000, "a-" * 5_000 + "1", "@" * 99]
)
def test_a_long_message_costs_no_more(odd):
    kind, message = normalised(f"E: {odd}")
    assert kind == "E"
    assert len(message) <= LENGTH


def failed(number, text, **parts):
    return Job("t", id=str(number), state=Failed(BEGIN + timedelta(seconds=number), text), **parts)


def test_jobs_that_ended_alike_are_one_group():
    jobs = [
        failed(3, "ValueError: bad id 1", queue="b"),
        failed(9, "OSError: no"),
        failed(7, "ValueError: bad id 2", queue="a"),
        Job("u", id="5", state=AwaitingRetry(BEGIN, BEGIN, 1, "ValueError: bad id 3"), queue="a"),
        Job("t", state=Enqueued()),
        failed(1, "ValueError: bad 3"),
    ]
    at = [BEGIN + timedelta(seconds=seconds) for seconds in range(10)]
    assert grouped(jobs) == [
        ErrorGroup("OSError", "no", 1, ("t",), ("default",), at[9], at[9], "9"),
        ErrorGroup("ValueError", "bad id …", 3, ("t", "u"), ("a", "b"), at[0], at[7], "7"),
        ErrorGroup("ValueError", "bad …", 1, ("t",), ("default",), at[1], at[1], "1"),
    ]
    assert grouped([]) == []
