"""``qml run --reload``: real processes whose source files change while they run."""

import os
import signal
import sys

import pytest

from qml import Job, connect
from qml.cli import codes, main, restarting
from qml.cli.sources import Sources
from tests.cli.calls import ended, until

APP = """
import atexit, os, pathlib, time
from qml import Qml
import part

here = pathlib.Path(__file__).parent
jobs = Qml(f"sqlite:///{here}/jobs.db")

def note(file, *words):
    fd = os.open(here / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (" ".join(map(str, words)) + chr(10)).encode())
    os.close(fd)

note("life", "begun", os.getpid())
atexit.register(lambda: note("life", "ended", os.getpid()))

@jobs.task
def say():
    note("diary", part.WORD)

@jobs.task
def wait(name):
    note("waiting", name)
    while not (here / name).exists():
        time.sleep(0.01)
    note("diary", name)

@jobs.task(name="tick")
def tick():
    note("ticks", part.WORD)

jobs.every(0.2, name="tick", catch_up="none")(tick)
"""


@pytest.fixture
def store(folder):
    (folder / "part.py").write_text("WORD = 'one'\n")
    (folder / "myapp.py").write_text(APP)
    with connect("sqlite:///jobs.db") as storage:
        yield storage


@pytest.fixture
def lines(folder):
    """The lines of a file of the app's."""

    def read(file):
        path = folder / file
        return path.read_text().splitlines() if path.exists() else []

    return read


@pytest.fixture
def server(store, start, folder):
    """A server that reloads, at work; its log is in the file ``log``."""
    with (folder / "log").open("w") as stderr:
        process = start("run", "myapp", "--reload", "--threads", 2, stderr=stderr)
    until(lambda: (folder / "ticks").exists() or process.poll() is not None)
    return process


def write(file, text):
    """As editors do: a new file in the place of the old one."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def test_it_begins_again_with_what_was_written(server, store, folder, lines):
    write(folder / "part.py", "WORD = 'two'\n")
    until(lambda: "two" in lines("ticks"))
    assert server.poll() is None
    server.send_signal(signal.SIGINT)
    assert ended(server).code == 0
    # One process, and the first server was gone before there was a second.
    assert lines("life") == [f"begun {server.pid}", f"ended {server.pid}"] * 2
    ticks = lines("ticks")
    assert ticks == sorted(ticks)  # "one", then "two": never both
    assert "part.py changed" in (folder / "log").read_text()


def test_what_runs_may_end(server, store, folder, lines):
    job = store.enqueue(Job("myapp.wait", ["go"]))
    until(lambda: lines("waiting"))
    write(folder / "part.py", "WORD = 'two'\n")
    until(lambda: "part.py changed" in (folder / "log").read_text())
    assert lines("life") == [f"begun {server.pid}"]
    (folder / "go").touch()
    until(lambda: "two" in lines("ticks"))
    assert lines("diary") == ["go"]
    done = store.get(job.id)
    assert (done.state.kind, done.attempt) == ("succeeded", 1)


def test_after_the_grace_period_it_is_handed_back(store, start, folder, lines):
    job = store.enqueue(Job("myapp.wait", ["go"]))
    start("run", "myapp", "--reload", "--grace", "0.1", stderr=None)
    until(lambda: lines("waiting"))
    write(folder / "part.py", "WORD = 'two'\n")
    until(lambda: lines("waiting") == ["go", "go"])
    (folder / "go").touch()
    assert store.wait(job.id, timeout=30).attempt == 1
    assert lines("diary") == ["go"]


def test_what_cannot_be_imported_is_said_and_the_next_change_waited_for(server, folder, lines):
    log = folder / "log"
    write(folder / "part.py", "WORD = (\n")
    until(lambda: "waits for a change" in log.read_text())
    assert f"SyntaxError: '(' was never closed ({folder / 'part.py'}, line 1)" in log.read_text()
    write(folder / "part.py", "import later\nWORD = later.WORD\n")
    until(lambda: log.read_text().count("waits for a change") == 2)
    assert "there is no module later" in log.read_text() or "'later'" in log.read_text()
    write(folder / "later.py", "WORD = 'two'\n")
    until(lambda: "two" in lines("ticks"))
    assert "Traceback" not in log.read_text()
    server.terminate()
    assert ended(server).code == 0


def test_ctrl_c_while_it_waits_for_a_change(start, folder):
    (folder / "myapp.py").write_text("x = (\n")
    log = folder / "log"
    with log.open("w") as stderr:
        process = start("run", "myapp", "--reload", stderr=stderr)
    until(lambda: "waits for a change" in log.read_text())
    process.send_signal(signal.SIGINT)
    assert ended(process).code == codes.INTERRUPTED
    assert log.read_text().endswith("qml: interrupted\n")


def test_a_signal_while_it_stops_ends_it(server, store, folder, lines):
    store.enqueue(Job("myapp.wait", ["go"]))
    until(lambda: lines("waiting"))
    write(folder / "part.py", "WORD = 'two'\n")
    until(lambda: "part.py changed" in (folder / "log").read_text())
    server.terminate()
    (folder / "go").touch()
    assert ended(server).code == 0
    assert lines("life") == [f"begun {server.pid}", f"ended {server.pid}"]


def test_where_no_program_can_take_its_own_place(store, start, folder, lines):
    """As on Windows: a process above starts one after the other. Ctrl-C goes to both."""
    (folder / "sitecustomize.py").write_text(
        "from qml.cli import restarting\nrestarting.Beginning.possible = False\n"
    )
    path = {"PYTHONPATH": f"{folder}:{restarting.__file__.rpartition('/qml/')[0]}"}
    process = start("run", "myapp", "--reload", env=path, start_new_session=True)
    try:
        until(lambda: lines("ticks"))
        write(folder / "part.py", "WORD = 'two'\n")
        until(lambda: "two" in lines("ticks"))
        os.killpg(process.pid, signal.SIGINT)
        called = ended(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert called.code == 0, called.err
    steps, pids = zip(*(line.split() for line in lines("life")), strict=True)
    assert steps == ("begun", "ended", "begun", "ended")
    assert (pids[0], pids[2]) == (pids[1], pids[3])
    assert len({*pids, str(process.pid)}) == 3


def test_called_from_python_it_ends_and_tells(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    (folder / "changes.py").write_text(
        "from qml import Qml\njobs = Qml('memory://')\n"
        "@jobs.task\ndef edit():\n    open('another.py', 'w').close()\nedit.enqueue()\n"
    )
    assert main(["run", "changes", "--reload"]) == codes.RETIRED


# -- which files ---------------------------------------------------------------------------------


@pytest.fixture
def sources(folder):
    (folder / "a.py").write_text("")
    (folder / "sub").mkdir()
    (folder / "sub" / "b.py").write_text("")
    return Sources(folder)


def test_nothing_has_changed_at_first(sources):
    assert sources.changed() == []


def test_to_watch_another_file_hides_no_change(sources, folder, tmp_path):
    other, new = tmp_path / "other.py", folder / "new.py"
    write(other, "")
    write(new, "")
    sources.add([str(other)])
    assert sources.changed() == [str(new)]


def test_written_new_and_gone(sources, folder):
    (folder / "a.py").write_text("x")
    (folder / "sub" / "b.py").unlink()
    (folder / "sub" / "c.py").write_text("")
    found = [folder / "a.py", folder / "sub" / "b.py", folder / "sub" / "c.py"]
    assert sources.changed() == [str(path) for path in found]
    assert sources.changed() == []


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        ".hidden.py",
        ".git/a.py",
        "__pycache__/a.py",
        "lib/site-packages/a.py",
        "env/lib/a.py",
    ],
)
def test_what_is_no_source_file(sources, folder, name):
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    assert sources.changed() == []


def test_an_imported_file_elsewhere(sources, tmp_path, monkeypatch):
    file = tmp_path / "elsewhere_for_reload.py"
    file.write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    __import__(file.stem)
    assert sources.changed() == []
    file.write_text("x = 22\n")
    assert sources.changed() == [str(file)]
    del sys.modules[file.stem]


def test_in_a_large_folder_only_what_is_imported_is_watched(folder, monkeypatch):
    monkeypatch.setattr("qml.cli.sources.MOST", 3)
    for number in range(5):
        (folder / f"n{number}.py").touch()
    sources = Sources(folder)
    assert sources.too_large
    assert sources.changed() == []
    (folder / "n5.py").touch()
    assert sources.changed() == []
