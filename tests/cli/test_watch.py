"""``qml stats --watch``: again and again, in a real terminal and elsewhere."""

import json
import os
import signal
import sys

import pytest

from qml import Failed, Job, StorageUnavailable, Succeeded, connect
from qml.cli import watching
from qml.cli.stats import COLUMNS, Stats, gather
from qml.cli.watching import Look, rates
from qml.values.states import StateKind
from tests.cli.calls import content_of, ended, until
from tests.house.rules import REPO

URL = ("--url", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    with connect("sqlite:///jobs.db") as storage:
        storage.enqueue(Job("a", queue="mail"))
        yield storage


# -- the rates -----------------------------------------------------------------------------------


def look(storage, at):
    newest = storage.list(limit=1)
    return Look(at, newest[0].seq, gather(storage))


def test_what_came_ended_and_failed(store):
    before = look(store, 10.0)
    store.enqueue_many([Job("a", queue="mail", max_retries=0) for _ in range(9)])
    for outcome in (Succeeded(), Failed(exception="E: x"), Succeeded()):
        store.finish(store.fetch_and_lock_job("w"), outcome)
    store.delete(store.fetch_and_lock_job("w").id)  # removed, and still counted as ended
    found = rates(before, look(store, 12.0))
    assert (found.new, found.ended, found.failed) == (4.5, 2.0, 0.5)
    assert found.growth == {"mail": 2.5}


def test_no_rate_is_negative():
    nothing = Stats(dict.fromkeys(StateKind, 0), {}, [])
    much = Stats({**nothing.counts, StateKind.FAILED: 5}, {"q": dict.fromkeys(COLUMNS, 0)}, [])
    found = rates(Look(1.0, 9, much), Look(1.0, 3, nothing))
    assert (found.new, found.ended, found.failed) == (0, 0, 0)


# -- elsewhere than on a terminal ----------------------------------------------------------------


def test_blocks_one_after_another(store, start, folder):
    out = folder / "out"
    with out.open("w") as stdout:
        process = start("stats", *URL, "--watch=0.1", stdout=stdout)
    until(lambda: out.read_text().count("STATE") >= 3)
    process.send_signal(signal.SIGINT)
    assert ended(process).code == 0
    text = out.read_text()
    assert "\x1b" not in text
    assert "new 0.0/s   ended 0.0/s   failed 0.0/s" in text
    first, second, *_ = text.split("\n\nSQLite file ")
    assert ("GROWS/S" in first, "GROWS/S" in second) == (False, True)


def test_an_object_a_line(store, start, folder):
    out = folder / "out"
    with out.open("w") as stdout:
        process = start("stats", *URL, "--json", env={"QML_WATCH": "0.1"}, stdout=stdout)
    until(lambda: out.read_text().count("\n") >= 2)
    process.terminate()
    assert ended(process).code == 0
    first, second, *_ = (json.loads(line) for line in out.read_text().splitlines())
    assert first["rates"] is None
    assert second["rates"] == {"new": 0.0, "ended": 0.0, "failed": 0.0, "growth": {"mail": 0.0}}
    assert second["counts"]["enqueued"] == 1
    assert {"at", "storage", "queues", "servers"} <= first.keys()


def test_it_changes_nothing(store, start, folder):
    store.close()
    before = content_of(folder / "jobs.db")
    out = folder / "out"
    with out.open("w") as stdout:
        process = start("stats", *URL, "--watch=0.1", stdout=stdout)
    until(lambda: out.read_text().count("STATE") >= 2)
    process.terminate()
    ended(process)
    assert content_of(folder / "jobs.db") == before


def test_no_store_at_all(qml, folder):
    assert qml("stats", *URL, "--watch").code == 3
    assert not list(folder.iterdir())


def test_an_outage_is_said_and_looked_through(qml, store, monkeypatch):
    look, looks = watching._look, []

    def looked(storage):
        looks.append(storage)
        if len(looks) == 2:
            raise StorageUnavailable("the store is away")
        if len(looks) == 4:
            signal.raise_signal(signal.SIGINT)
        return look(storage)

    monkeypatch.setattr(watching, "_look", looked)
    called = qml("stats", *URL, "--watch=0.1")
    assert called.code == 0
    assert called.err == "qml: the store is away\n"
    assert called.out.count("STATE") == 3


@pytest.mark.parametrize("seconds", ["0", "soon"])
def test_a_wrong_interval(qml, store, seconds):
    called = qml("stats", *URL, f"--watch={seconds}")
    assert called.code == 2
    assert "--watch is" in called.err


# -- on a terminal -------------------------------------------------------------------------------


def on_a_terminal(folder, path):
    """``qml stats --watch`` in a terminal of its own: its process id, and what it is read from."""
    import pty  # there is none on Windows

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        environment = {**os.environ, "PYTHONPATH": path, "TERM": "xterm", "QML_WATCH": "0.1"}
        command = [sys.executable, "-m", "qml", "stats", *URL]
        os.execve(sys.executable, command, environment)
    return pid, terminal


def read_until(terminal, text, so_far=b""):
    while text not in so_far:
        so_far += os.read(terminal, 65536)
    return so_far


ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("with_rich", [True, False])
def test_the_terminal_is_left_as_it_was(store, folder, with_rich):
    path = str(REPO)
    if not with_rich:
        (folder / "without" / "rich").mkdir(parents=True)
        (folder / "without" / "rich" / "__init__.py").write_text("raise ImportError\n")
        path = f"{folder / 'without'}{os.pathsep}{path}"
    pid, terminal = on_a_terminal(folder, path)
    try:
        seen = read_until(terminal, b"ended 0.0/s")
        assert seen.startswith(ENTER)
        assert HIDE in seen
        os.write(terminal, b"\x03")
        seen = read_until(terminal, LEAVE, seen)
        _, status = os.waitpid(pid, 0)
        pid = None
        assert os.waitstatus_to_exitcode(status) == 0
        assert seen.rfind(SHOW) > seen.rfind(HIDE)
        assert b"interrupted" not in seen
    finally:
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)
