"""``qml schedules``: recurring jobs from the command line."""

import json

import pytest

from qml import Cron, Every, Job, connect

EVIL = "\x1b[31mred\x07"


@pytest.fixture(autouse=True)
def _url(monkeypatch):
    monkeypatch.setenv("QML_URL", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    with connect("sqlite:///jobs.db") as storage:
        yield storage


@pytest.fixture
def nightly(store):
    return store.schedules.add("nightly", Cron("0 3 * * *", "Europe/Berlin"), Job("app.report"))


def test_none(qml, store):
    assert qml("schedules").out == "No schedule.\n"
    assert json.loads(qml("schedules", "--json").out) == []


def test_looking_makes_no_store(qml, folder):
    called = qml("schedules")
    assert called.code == 3
    assert list(folder.iterdir()) == []


def test_the_list(qml, store, nightly):
    store.schedules.add("often", Every(30), Job("app.tick"))
    store.schedules.pause("often")
    for words in (("schedules",), ("schedules", "list")):
        called = qml(*words)
        assert called.code == 0
        head, first, second = called.out.splitlines()
        assert head.split() == ["NAME", "RULE", "TASK", "NEXT", "LAST", "NOTE"]
        assert "0 3 * * * Europe/Berlin" in first
        assert "app.report" in first
        assert "every 30 s" in second
        assert "paused" in second


def test_json_tells_all(qml, store, nightly):
    [found] = json.loads(qml("schedules", "--json").out)
    assert found["name"] == "nightly"
    assert found["rule"] == "0 3 * * * Europe/Berlin"
    assert found["job"]["method"] == "app.report"
    assert found["next_at"] == found["next_slot"] == nightly.next_slot.isoformat()


def test_nothing_stored_steers_the_terminal(qml, store):
    store.schedules.add(EVIL, Every(30), Job(EVIL))
    assert "\x1b" not in qml("schedules").out


def test_add_makes_and_changes(qml, store):
    first = qml(
        *("schedules", "add", "n", "app.report", "--cron", "0 3 * * *"),
        *("--timezone", "Europe/Berlin", "--args", '["a"]', "--kwargs", '{"b": 1}'),
        *("--queue", "q", "--catch-up", "all", "--no-overlap", "--spread", "9"),
    )
    assert first.code == 0, first.err
    found = store.schedules.get("n")
    assert found.rule == Cron("0 3 * * *", "Europe/Berlin")
    assert (found.job.method, found.job.arguments, found.job.kwargs) == (
        "app.report",
        ["a"],
        {"b": 1},
    )
    assert (found.job.queue, found.catch_up, found.overlap, found.spread) == ("q", "all", False, 9)
    assert not found.declared
    assert qml("schedules", "add", "n", "app.other", "--every", "60").code == 0
    assert store.schedules.get("n").job.method == "app.other"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--cron", "* * *"], "'* * *'"),
        (["--cron", "* * * * *", "--timezone", "Mars/Olympus"], "Mars/Olympus"),
        (["--every", "0"], "Every seconds is 0"),
        (["--every", "5", "--args", "x"], "--args is 'x'; give JSON"),
        (["--every", "5", "--args", "{}"], "arguments is {}"),
        (["--every", "5", "--args", "[1e999]"], "arguments[0] is inf"),
        (["--every", "5", "--queue", "\udcff"], "Job queue holds the lone surrogate"),
        (["--every", "5", "--spread", "-1"], "--spread is '-1'; give seconds, 0 or more"),
        ([], "--cron"),
        (["--every", "5", "--cron", "* * * * *"], "not allowed with"),
    ],
)
def test_what_cannot_be_is_wrong_usage(qml, store, flags, says):
    called = qml("schedules", "add", "n", "app.report", *flags)
    assert called.code == 2
    assert says in called.err
    assert store.schedules.list() == []


def test_pause_resume_trigger_remove(qml, store, nightly):
    assert qml("schedules", "pause", "nightly").out == "nightly  paused\n"
    assert store.schedules.get("nightly").paused
    assert qml("schedules", "resume", "nightly").out == "nightly  resumed\n"
    assert not store.schedules.get("nightly").paused
    out = qml("schedules", "trigger", "nightly").out
    [job] = store.list()
    assert out == f"nightly  triggered, job {job.id}\n"
    assert (job.schedule, job.method) == ("nightly", "app.report")
    assert qml("schedules", "remove", "nightly").out == "nightly  removed\n"
    assert store.schedules.get("nightly") is None


@pytest.mark.parametrize("verb", ["pause", "resume", "trigger", "remove"])
def test_an_unknown_name_is_said_and_the_others_are_done(qml, store, nightly, verb):
    called = qml("schedules", verb, "lost", "nightly")
    assert called.code == 1
    assert "no schedule 'lost'" in called.err
    assert called.out.startswith("nightly  ")


def test_a_slot_without_a_job_is_told(qml, store):
    with connect("sqlite:///jobs.db") as other:
        old = other.schedules.add("old", Every(30), Job("m"), overlap=False)
    before = store.enqueue(Job("m"))
    record = store.driver.read("schedule/old")
    body = json.loads(record.body) | {"skipped": f"the job before, {before.id}, has not ended"}
    store.driver.write(record.name, json.dumps(body), record.version)
    assert before.id in qml("schedules").out
    assert old.skipped is None
