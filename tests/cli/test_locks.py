"""``qml locks``: who holds what, and freeing what the dead hold."""

import json
from datetime import UTC, datetime

import pytest

from qml import connect
from qml.storage import locks

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
    return locks.take(store, "nightly", "web1 pid 7 thread t 01ab", 3_600)


class Person:
    """Sits at a terminal, and gives an answer; ``meanwhile`` happens first."""

    def __init__(self, answer, meanwhile=lambda: None):
        self.answer, self.meanwhile = answer, meanwhile

    def isatty(self):
        return True

    def readline(self):
        self.meanwhile()
        return self.answer


def test_none(qml, store):
    assert qml("locks").out == "No lock is held.\n"
    assert json.loads(qml("locks", "list", "--json").out) == []


def test_looking_makes_no_store(qml, folder):
    for words in (("locks",), ("locks", "flush", "nightly", "--yes")):
        assert qml(*words).code == 3
    assert list(folder.iterdir()) == []


def test_the_list(qml, store, nightly):
    locks.take(store, "backup", "web2 pid 8 thread t 02cd", 90)
    for words in (("locks",), ("locks", "list")):
        called = qml(*words)
        assert called.code == 0
        head, first, second = called.out.splitlines()
        assert head.split("  ")[0] == "NAME"
        assert head.endswith("FENCE")
        assert first.startswith("backup   web2 pid 8 thread t 02cd  ")
        assert second.startswith("nightly  web1 pid 7 thread t 01ab  ")
        assert second.endswith(f"  {nightly.fence}")
        assert "  in 59 min  " in second


def test_json_tells_all(qml, nightly):
    [found] = json.loads(qml("locks", "--json").out)
    assert (found["name"], found["holder"]) == ("nightly", nightly.holder)
    assert found["fence"] == nightly.fence
    for field in ("since", "until"):
        moment = datetime.fromisoformat(found[field])
        assert moment.tzinfo == UTC
        assert round(moment.timestamp() * 1e6) == getattr(nightly, field)


def test_nothing_stored_steers_the_terminal(qml, store):
    locks.take(store, EVIL, EVIL, 60)
    called = [
        qml("locks"),
        qml("locks", "flush", EVIL),
        qml("locks", "flush", EVIL, "--yes"),
        qml("locks", "flush", EVIL),
    ]
    assert [one.code for one in called] == [0, 2, 0, 1]
    assert "\x1b" not in "".join(one.out + one.err for one in called)


def test_a_flush_needs_a_yes(qml, store, nightly):
    called = qml("locks", "flush", "nightly")
    assert (called.code, called.out) == (2, "")
    assert "held by web1 pid 7 thread t 01ab. Nothing is done yet" in called.err
    assert locks.held(store) == [nightly]
    called = qml("locks", "flush", "nightly", "--yes")
    assert (called.code, called.out) == (0, f"nightly  free; it was held by {nightly.holder}\n")
    assert locks.held(store) == []


@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_a_person_is_asked(qml, store, nightly, monkeypatch, answer, done):
    monkeypatch.setattr("sys.stdin", Person(answer))
    called = qml("locks", "flush", "nightly")
    assert called.code == 0
    assert called.out.startswith(f"Free lock 'nightly', held by {nightly.holder}? [y/N] ")
    assert locks.held(store) == ([] if done else [nightly])


def test_a_yes_is_for_the_holder_that_was_named(qml, store, nightly, monkeypatch):
    """It freed the lock while the person thought it over, and another has it."""

    def meanwhile():
        locks.release(store, "nightly", nightly.holder)
        locks.take(store, "nightly", "web2", 60)

    monkeypatch.setattr("sys.stdin", Person("y\n", meanwhile))
    called = qml("locks", "flush", "nightly")
    assert called.code == 1
    assert "is not held by web1 pid 7 thread t 01ab any more; nothing was done" in called.err
    assert [grant.holder for grant in locks.held(store)] == ["web2"]


def test_what_nobody_holds_is_said(qml, store, nightly):
    called = qml("locks", "flush", "weekly", "--yes")
    assert (called.code, called.out, called.err) == (1, "", "qml: lock 'weekly' is not held\n")
    assert locks.held(store) == [nightly]


def test_a_damaged_record_is_told_and_can_be_cleared(qml, store, nightly):
    [record] = store.driver.list(locks.PREFIX)
    store.driver.write(record.name, "{", record.version)
    called = qml("locks")
    assert (called.code, called.out) == (0, "No lock is held.\n")
    assert f"record {record.name} cannot be read" in called.err
    assert "Nothing is done yet" in qml("locks", "flush", "nightly").err
    assert store.driver.read(record.name).body == "{"
    assert qml("locks", "flush", "nightly", "--yes").code == 0
    assert locks.take(store, "nightly", "web2", 60).fence > nightly.fence


def test_a_name_that_is_no_text_is_no_damage(qml, store, nightly):
    called = qml("locks", "flush", "\udcff", "--yes")
    assert (called.code, called.out) == (2, "")
    assert "free" not in called.err
    assert locks.held(store) == [nightly]
