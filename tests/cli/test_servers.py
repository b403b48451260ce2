"""``qml servers``: who is at work, and how one is told to drain; threads reserved from the line."""

import json
import signal

import pytest

from qml import Job, connect
from qml.cli import settings
from qml.storage import servers
from tests.cli.calls import ended, until


@pytest.fixture(autouse=True)
def _url(monkeypatch):
    monkeypatch.setenv("QML_URL", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    with connect("sqlite:///jobs.db") as storage:
        facts = {"threads": 4, "queues": ["mail", "bulk"], "reserved": {"mail": 3}, "running": 2}
        servers.beat(storage, "web-1", {**facts, "draining": False})
        yield storage


@pytest.fixture
def terminal(monkeypatch):
    """``terminal("y")``: a person who answers so."""

    class Person:
        def __init__(self, answer):
            self.answer = answer

        def isatty(self):
            return True

        def readline(self):
            return f"{self.answer}\n"

    return lambda answer: monkeypatch.setattr("sys.stdin", Person(answer))


def asked(store):
    return [record.name for record in store.driver.list("drain/")]


def test_the_list(qml, store):
    for words in (("servers",), ("servers", "list")):
        lines = qml(*words).out.splitlines()
        assert lines[0].split() == ["SERVER", "THREADS", "RUNNING", "QUEUES", "LAST", "SIGN"]
        assert lines[1] == "web-1         4        2  mail (3), bulk  0 s ago"
    [found] = json.loads(qml("servers", "list", "--json").out)
    assert (found["name"], found["reserved"]) == ("web-1", {"mail": 3})
    servers.beat(store, "web-1", {"draining": True, "reserved": "nonsense\x1b", "queues": 7})
    assert "0 s ago, drains" in qml("servers").out
    servers.leave(store, "web-1")
    assert qml("servers").out == "No server runs.\n"


def test_drain_says_what_to_give_and_does_nothing_yet(qml, store):
    called = qml("servers", "drain", "web-1")
    assert (called.code, called.out) == (2, "")
    assert called.err == (
        "qml: web-1, where 2 jobs run: nothing is done yet. To have it drain, give --yes\n"
    )
    assert asked(store) == []
    servers.beat(store, "web-1", {"running": 1})
    assert "web-1, where 1 job runs: " in qml("servers", "drain", "web-1").err


def test_drain(qml, store):
    called = qml("servers", "drain", "--yes", "nobody", "web-1", "web-1")
    assert called.code == 1
    assert called.err == "qml: there is no server 'nobody'; see qml servers list\n"
    drains = "web-1  drains: it claims nothing more, and ends when what runs has ended\n"
    assert called.out == drains
    assert asked(store) == ["drain/web-1"]
    assert qml("servers", "drain", "--yes", "web-1").out == drains  # again
    assert asked(store) == ["drain/web-1"]


@pytest.mark.parametrize(("answer", "names"), [("y", ["drain/web-1"]), ("", []), ("n", [])])
def test_a_person_is_asked(qml, store, terminal, answer, names):
    terminal(answer)
    called = qml("servers", "drain", "web-1")
    assert called.code == 0
    assert called.out.startswith("Drain web-1, where 2 jobs run? [y/N] ")
    assert asked(store) == names


def test_one_that_has_just_ended_is_said(qml, store, terminal, monkeypatch):
    monkeypatch.setattr(servers, "ask_to_drain", lambda storage, name: False)
    called = qml("servers", "drain", "--yes", "web-1")
    assert (called.code, called.err) == (1, "qml: server 'web-1' has just ended\n")


@pytest.mark.parametrize("how", ["qml servers drain", "SIGUSR1"])
def test_a_server_of_its_own_process_drains(qml, app, start, folder, how):
    running = app.enqueue(Job("myapp.sleep", [1.5]))
    log = folder / "err"
    with log.open("w") as err:
        process = start("run", "myapp", "--threads", 1, "--grace", 0, stderr=err)
    until((folder / "started").exists)
    if how == "SIGUSR1":
        process.send_signal(signal.SIGUSR1)
    else:
        [server] = until(lambda: servers.alive(app))
        assert qml("servers", "drain", "--yes", server["name"]).code == 0
    says = "claims nothing more, and ends when what runs has ended: it was told to drain"
    until(lambda: says in log.read_text())
    waiting = app.enqueue(Job("myapp.add", [1, 2]))
    assert ended(process).code == 0, log.read_text()
    assert app.get(running.id).state.result == "slept"
    assert app.get(running.id).attempt == 1
    assert app.get(waiting.id).state.kind == "enqueued"
    assert servers.alive(app) == []
    assert app.driver.list("drain/") == []


# -- threads reserved ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "queues"),
    [
        ("a", ["a"]),
        ("a, b", ["a", "b"]),
        ("mail:3,bulk:1", {"mail": 3, "bulk": 1}),
        ("tenant:x,b", ["tenant:x", "b"]),
        ("tenant:x:2", {"tenant:x": 2}),
    ],
)
def test_queues(text, queues):
    assert settings.queues(text) == queues


@pytest.mark.parametrize("text", ["mail:3,bulk", "mail:0", ":3", "a:1,a:2", "a:1,,b:1", "a:1,b:x"])
def test_queues_that_cannot_be(qml, text):
    with pytest.raises(ValueError, match="give"):
        settings.queues(text)
    called = qml("run", "x", "--queues", text)
    assert called.code == 2
    assert called.err.startswith(f"qml: --queues is {text!r}; give ")


def test_threads_are_those_that_are_reserved(app, start):
    there = app.enqueue(Job("myapp.elsewhere", queue="other"))
    called = ended(start("run", "myapp", "--burst", "--queues", "other:2,default:1"))
    assert called.code == 0
    assert "  queues   other (2), default (1)\n" in called.err
    assert "  threads  3, lease 30 s, grace 30 s\n" in called.err
    assert app.get(there.id).state.kind == "succeeded"
    called = ended(start("run", "myapp", "--burst", "--queues", "other:2", "--threads", 1))
    assert called.code == 2
    assert "threads is 1, fewer than the 2 that queues reserves" in called.err
