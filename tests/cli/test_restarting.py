"""``qml run --max-jobs``, ``--max-memory``: real processes that begin again in their own place."""

import signal
from collections import Counter

import pytest

from qml import Job, connect
from qml.cli import codes, main, restarting, run
from tests.cli.calls import ended, until

APP = """
import atexit, os, pathlib, sys, time
from qml import Qml, RetryPolicy

here = pathlib.Path(__file__).parent
jobs = Qml(f"sqlite:///{here}/jobs.db", retry=RetryPolicy(base=0.01))
held = []

def note(file, *words):
    fd = os.open(here / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (" ".join(map(str, words)) + chr(10)).encode())
    os.close(fd)

note("begun", os.getpid(), os.environ.get("DEPTH", "0"), os.getcwd())
atexit.register(lambda: note("ended", os.getpid()))
os.chdir("/")  # whatever an app does to its process is undone when it begins again
os.environ["DEPTH"] = os.environ.get("DEPTH", "0") + "1"

@jobs.task
def work(number):
    note("diary", number, os.getpid())

@jobs.task
def grow(megabytes):
    held.append(b"x" * (megabytes * 1_000_000))
    time.sleep(0.6)  # memory is looked at once a second
    note("diary", megabytes, os.getpid())

@jobs.task
def wait(name):
    note("waiting", name)
    while not (here / name).exists():
        time.sleep(0.01)
"""


@pytest.fixture
def store(folder):
    (folder / "myapp.py").write_text(APP)
    with connect("sqlite:///jobs.db") as storage:
        yield storage


@pytest.fixture
def lines(folder):
    """The lines of a file of the app's, each in words."""

    def read(file):
        path = folder / file
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    return read


def test_no_job_is_lost_or_run_twice_by_it(store, start, folder, lines):
    """200 jobs, a fresh program every 45, one process."""
    store.enqueue_many([Job("myapp.work", [number]) for number in range(200)])
    process = start("run", "myapp", "--burst", "--threads", 4, "--max-jobs", 45)
    called = ended(process)
    assert called.code == 0, called.err
    runs = Counter(int(number) for number, _ in lines("diary"))
    assert runs == dict.fromkeys(range(200), 1)
    assert {pid for _, pid in lines("diary")} == {str(process.pid)}
    assert lines("begun") == [[str(process.pid), "0", str(folder)]] * 5
    assert lines("ended") == [[str(process.pid)]] * 5  # what the app has for its end was called
    stored = store.list()
    assert {(job.state.kind.value, job.attempt) for job in stored} == {("succeeded", 1)}
    assert called.err.count("45 jobs have run here, as many as max_jobs allows") == 4
    assert called.err.count("limits   begins again after 45 jobs") == 5


def test_grown_memory_makes_it_begin_again(store, start, lines):
    store.enqueue_many([Job("myapp.grow", [60]) for _ in range(4)])
    env = {"QML_MAX_MEMORY": "150", "QML_BURST": "1", "QML_THREADS": "1"}
    called = ended(start("run", "myapp", env=env))
    assert called.code == 0, called.err
    assert len(lines("diary")) == 4
    assert 2 <= len(lines("begun")) <= 5
    assert "MB are in use, more than the 150 of max_memory_mb" in called.err
    assert "limits   begins again with 150 MB in use" in called.err


def test_the_variable_of_the_number(store, start, lines):
    store.enqueue_many([Job("myapp.work", [number]) for number in range(4)])
    env = {"QML_MAX_JOBS": "2", "QML_BURST": "1"}
    assert ended(start("run", "myapp", env=env)).code == 0
    assert len(lines("diary")) == 4
    assert len(lines("begun")) == 3


def test_a_signal_ends_it_also_while_it_waits_to_begin_again(store, start, folder, lines):
    first = store.enqueue(Job("myapp.wait", ["go"]))
    log = folder / "log"
    with log.open("w") as stderr:
        process = start("run", "myapp", "--threads", 2, "--max-memory", 1, stderr=stderr)
    until(lambda: lines("waiting"))
    store.enqueue(Job("myapp.work", [1]))
    until(lambda: "claims nothing more" in log.read_text())
    process.send_signal(signal.SIGTERM)
    until(lambda: "stopping: running jobs have 30 s to end" in log.read_text())
    (folder / "go").touch()
    assert ended(process).code == 0
    assert store.get(first.id).state.kind == "succeeded"
    assert len(lines("begun")) == 1


def test_the_log_of_a_job_names_it(store, start, folder):
    (folder / "talks.py").write_text(
        "import logging\nfrom myapp import jobs\n\n@jobs.task\ndef say():\n"
        "    logging.getLogger('talks').warning('hello')\n"
    )
    job = store.enqueue(Job("talks.say"))
    called = ended(start("run", "talks:jobs", "--burst"))
    assert f"WARNING [{job.id} talks.say] hello\n" in called.err
    assert f"[{job.id}" not in called.err.replace(f"[{job.id} talks.say] hello", "")


# -- where it cannot -----------------------------------------------------------------------------


def test_called_from_python_it_ends_and_tells(folder, monkeypatch):
    """Whoever calls ``main`` with arguments would not want the whole program to begin again."""
    monkeypatch.setattr(restarting, "Beginning", None)
    monkeypatch.setattr(run, "Beginning", None)
    (folder / "plain_app.py").write_text("from qml import Qml\njobs = Qml('sqlite:///jobs.db')\n")
    with connect("sqlite:///jobs.db") as store:
        store.enqueue_many([Job("unknown", max_retries=0) for _ in range(3)])
        assert main(["run", "plain_app", "--burst", "--max-jobs", "2"]) == codes.RETIRED
        counts = store.get_job_counts()
    assert (counts["failed"], counts["enqueued"]) == (2, 1)


def test_where_no_program_can_take_its_own_place_it_ends(store, start, folder):
    """As on Windows: exit code 7, and whoever watches over it starts it again."""
    store.enqueue_many([Job("myapp.work", [number]) for number in range(3)])
    (folder / "sitecustomize.py").write_text(
        "from qml.cli import restarting\nrestarting.Beginning.possible = False\n"
    )
    path = {"PYTHONPATH": f"{folder}:{restarting.__file__.rpartition('/qml/')[0]}"}
    assert ended(start("run", "myapp", "--burst", "--max-jobs", 2, env=path)).code == 7
    assert ended(start("run", "myapp", "--burst", "--max-jobs", 2, env=path)).code == 0
