"""What runs say of themselves, as ``qml jobs`` shows it."""

import json

import pytest

from qml import AwaitingRetry, Job, LogLine, Notes, Succeeded, connect
from qml.values.followup import Followup
from tests.cli.test_jobs import EVIL


@pytest.fixture(autouse=True)
def _url(monkeypatch):
    monkeypatch.setenv("QML_URL", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    with connect("sqlite:///jobs.db") as storage:
        yield storage


@pytest.fixture
def claimed(store):
    """A running job, and a function to note something of it."""
    store.enqueue(Job("app.import", max_retries=3))
    job = store.fetch_and_lock_job("w", server_name="web-1")

    def note(fraction=None, message="", lines=()):
        notes = Notes().with_lines(LogLine(store.now(), job.attempt, text) for text in lines)
        if fraction is not None:
            notes = notes.with_progress(fraction, message, store.now())
        assert store.note(job, notes)

    return job, note


def row(qml):
    return qml("jobs", "list").out.splitlines()[1].split("now", 1)[1].strip()


def test_the_list_tells_how_far_a_running_job_is(qml, claimed):
    _, note = claimed
    assert row(qml) == "on web-1"
    note(0.456)
    assert row(qml) == "on web-1, 45 %"
    note(0.999, "page 9 of 10")
    assert row(qml) == "on web-1, 99 %: page 9 of 10"


def test_the_progress_of_an_earlier_attempt_is_not_the_running_ones(qml, store, claimed):
    job, note = claimed
    note(0.8, "nearly", ["first try"])
    store.finish(job, AwaitingRetry(retry_at=store.now(), retry_count=1))
    store.fetch_and_lock_job("w", server_name="web-2")
    assert row(qml) == "on web-2"
    out = qml("jobs", "show", job.id).out
    assert "progress      80 %: nearly (an earlier attempt)\n  since       2" in out
    assert "attempt 1  first try\n" in out


def test_show_prints_progress_and_log(qml, store, claimed):
    job, note = claimed
    out = qml("jobs", "show", job.id).out
    assert "progress" not in out
    assert "log" not in out
    note(0.4, "page 4 of 10", ["one", "two\n  more of it", ""])
    moment = f"{store.get(job.id).notes.log[0].at:%Y-%m-%d %H:%M:}"
    out = qml("jobs", "show", job.id).out
    assert "progress      40 %: page 4 of 10\n  since       " in out
    log = out.partition("log           3 lines\n")[2].splitlines()
    assert [line.partition("attempt")[0][:19] for line in log[:2]] == [f"  {moment}"] * 2
    assert [line.partition("attempt 1")[2] for line in log[:2]] == ["  one", "  two"]
    assert log[2] == "      more of it"
    assert log[3].endswith("attempt 1")
    store.finish(job, Succeeded())
    assert "progress      40 %: page 4 of 10\n" in qml("jobs", "show", job.id).out


def test_they_are_in_the_json(qml, store, claimed):
    job, note = claimed
    note(0.4, "page 4 of 10", ["one"])
    found = json.loads(qml("jobs", "show", job.id, "--json").out)
    assert found["notes"]["progress"]["fraction"] == 0.4
    assert [line["text"] for line in found["notes"]["log"]] == ["one"]
    assert Job.from_json(json.dumps(found)) == store.get(job.id)


def test_what_is_noted_does_not_steer_the_terminal(qml, claimed):
    job, note = claimed
    note(0.5, EVIL, [EVIL + "\r\n" + EVIL])
    for command in (("list",), ("show", job.id)):
        assert qml("jobs", *command).out.replace("\n", "").isprintable()


def test_what_only_some_jobs_have(qml, store):
    now = store.now()
    job = store.enqueue(
        Job(
            "m",
            expires_at=now,
            schedule="nightly",
            slot=now,
            on_failure=Followup("app.tell", "mail", 0, None, None),
        )
    )
    out = qml("jobs", "show", job.id).out
    assert f"expires       {now:%Y-%m-%d %H:%M:%S} UTC, " in out
    assert f"schedule      nightly\nslot          {now:%Y-%m-%d %H:%M:%S} UTC, " in out
    assert "on failure    app.tell (queue mail)\n" in out
