"""Spawned processes of scripts and of ``qml run``: how they start, and that none is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qml import Job, Qml
from tests.work.process_support import PATIENCE, eventually, gone, lives, pid_in

REPO = Path(__file__).parents[2]

SCRIPT = """
import logging, os, sys, time
from pathlib import Path
from qml import Qml, current_job
from tests.work.process_tasks import leave, meet, sleeper

here = Path(__file__).parent
jobs = Qml(f"sqlite:///{here}/jobs.db")
HEAD

@jobs.task(process=True)
def pid():
    return os.getpid()

@jobs.task(process=True)
def met(name):
    meet(here, name)
    return [os.getpid(), __name__, sys.argv[1:], follow.job().method]

@jobs.task
def follow():
    pass

@jobs.task(process=True)
def busy():
    sleeper(here)
    leave(here, "busy", os.getpid())
    return pow(3, 10**10) % 7

MAIN
"""

GUARDED = """
if __name__ == "__main__":
    logging.basicConfig(level="INFO")
    jobs.server(threads=2).run(burst="burst" in sys.argv)
"""


class Folder:
    """A folder with app.py, and the store that it shares with the test."""

    def __init__(self, path):
        self.path = path
        self.app = Qml(f"sqlite:///{path}/jobs.db")
        self.started = []

    def write(self, head="", main=GUARDED):
        (self.path / "app.py").write_text(SCRIPT.replace("HEAD", head).replace("MAIN", main))

    def enqueue(self, name, *arguments):
        return self.app.storage.enqueue(Job(f"app.{name}", list(arguments), max_retries=0))

    def start(self, *command):
        with (self.path / "stderr").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, *(command or ("app.py",))],
                cwd=self.path,
                env={**os.environ, "PYTHONPATH": str(REPO)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *command):
        code = self.start(*command).wait(PATIENCE)
        return code, (self.path / "stderr").read_text()

    def close(self):
        for process in self.started:
            process.kill()
            process.wait(PATIENCE)
        self.app.close()


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def test_when_the_server_is_killed_its_processes_die(folder):
    """Also those that do not look, since they compute, and what they have started."""
    folder.write()
    folder.enqueue("pid")
    first = folder.enqueue("pid")
    folder.enqueue("busy")
    server = folder.start()
    busy, sleeper = pid_in(folder.path, "busy"), pid_in(folder.path, "sleeper")
    idle = folder.app.result(first, timeout=PATIENCE)
    if idle == busy:
        idle = folder.app.result(folder.enqueue("pid"), timeout=PATIENCE)
    assert lives(idle)
    server.kill()
    gone(busy, sleeper, idle)


def test_a_terminal_or_a_supervisor_that_signals_the_whole_group_ends_no_job(folder):
    folder.write(head='if __name__ == "__mp_main__": meet(here, "importing")')
    job = folder.enqueue("met", "met")
    server = folder.start()
    starting = pid_in(folder.path, "importing")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(starting, number)
    (folder.path / "importing.go").touch()
    pid = pid_in(folder.path, "met")
    os.kill(pid, signal.SIGTERM)
    os.killpg(server.pid, signal.SIGINT)
    eventually(lambda: "stopping: running jobs have" in (folder.path / "stderr").read_text())
    (folder.path / "met.go").touch()
    assert server.wait(PATIENCE) == 0
    assert folder.app.result(job)[0] == pid == starting
    gone(pid)


@pytest.mark.parametrize(
    ("command", "module", "arguments"),
    [
        (["app.py", "burst"], "__mp_main__", ["burst"]),
        (["-m", "app", "burst"], "__mp_main__", ["burst"]),
        (["-m", "qml", "run", "app:jobs", "--burst"], "app", ["run", "app:jobs", "--burst"]),
    ],
    ids=["script", "module", "qml run"],
)
def test_tasks_of_scripts_and_of_modules(folder, command, module, arguments):
    folder.write()
    job = folder.enqueue("met", "met")
    (folder.path / "met.go").touch()
    code, err = folder.run(*command)
    assert code == 0, err
    pid, *seen = folder.app.result(job)
    assert seen == [module, arguments, "app.follow"]
    gone(pid)


@pytest.mark.parametrize("how", ["server.run(burst=True)", "while server.step(): pass"])
def test_a_script_without_the_guard_is_told(folder, how):
    """Once: the script is not run again and again."""
    head = '(here / f"import-{os.getpid()}").touch()'
    folder.write(head=head, main=f"server = jobs.server(threads=1)\n{how}")
    many = [folder.enqueue("pid") for _ in range(3)]
    code, err = folder.run()
    assert code == 0, err
    for job in many:
        assert folder.app.storage.get(job.id).state.exception == (
            "ChildProcessError: attempt 1 did not begin: a spawned process imports the main module "
            "first, which starts a server; keep what a script runs under: "
            "if __name__ == '__main__'"
        )
    assert len(list(folder.path.glob("import-*"))) == 2
    assert err.count("this server cannot run tasks in processes: ") == 1


def test_a_script_that_fails_in_the_process_is_told(folder):
    folder.write(head='if __name__ == "__mp_main__": raise OSError("not twice")')
    job = folder.enqueue("pid")
    code, err = folder.run("app.py", "burst")
    assert code == 0, err
    failure = folder.app.storage.get(job.id).state.exception
    assert "ended with exit code 1 before it was ready, see stderr; it imports the main" in failure
    assert "if __name__ == '__main__'" in failure
    assert "OSError: not twice" in err


def test_a_program_ends_though_its_server_was_not_stopped(folder):
    main = "if __name__ == '__main__': jobs.server(threads=1).step()"
    folder.write(main=main)
    job = folder.enqueue("pid")
    code, err = folder.run()
    assert code == 0, err
    gone(folder.app.result(job))


def test_a_server_without_such_tasks_does_not_know_multiprocessing():
    script = (
        "import sys; from qml import Qml; Qml('memory://').server().step(); print(*sys.modules)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert "qml.work.processes" in done.stdout.split()
    assert "multiprocessing.connection" not in done.stdout.split()
