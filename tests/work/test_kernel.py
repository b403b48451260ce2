"""What the kernel tells of processes: a death is told when it is one, and never else."""

import os
import signal
import subprocess
import sys

import pytest

from qml.work import kernel

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells, others are not asked"
)

DOZE = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]


@pytest.fixture
def child():
    with subprocess.Popen(DOZE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as popen:
        popen.stdout.readline()
        yield popen
        popen.kill()


def named(popen):
    _, _, born = kernel._line(popen.pid)
    return kernel.this()._replace(pid=popen.pid, born=born)


def test_a_process_knows_itself_and_lives():
    process = kernel.this()
    assert process.pid == os.getpid()
    assert kernel.this() == process
    assert not kernel.is_dead(process)


def test_a_process_is_dead_once_it_was_killed_though_nobody_has_asked_how_it_ended(child):
    process = named(child)
    assert not kernel.is_dead(process)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    assert kernel._line(child.pid)[0] == "Z"
    assert kernel.is_dead(process)
    child.wait()
    assert kernel.is_dead(process)


def test_a_process_that_is_stopped_is_not_dead(child):
    process = named(child)
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert not kernel.is_dead(process)


def test_a_number_that_another_process_has_by_now_is_a_death():
    process = kernel.this()
    assert kernel.is_dead(process._replace(born=process.born - 1))


def test_anothers_process_is_asked_for_though_it_may_not_be_signalled(monkeypatch):
    def refuse(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    process = kernel.this()
    assert not kernel.is_dead(process)
    assert kernel.is_dead(process._replace(born=process.born - 1))


def test_what_is_hidden_is_not_dead(monkeypatch, tmp_path):
    process = kernel.this()
    monkeypatch.setattr(kernel, "PROC", tmp_path)
    assert not kernel.is_dead(process)


@pytest.mark.parametrize(
    ("state", "threads", "dead"),
    [("R", 9, False), ("D", 1, False), ("Z", 2, False), ("Z", 1, True), ("X", 0, True)],
)
def test_a_process_is_not_dead_while_one_of_its_threads_runs(
    state, threads, dead, monkeypatch, tmp_path
):
    process = kernel.this()
    (tmp_path / str(process.pid)).mkdir()
    fields = [state, *["0"] * 16, str(threads), "0", str(process.born), "0"]
    line = f"{process.pid} (a ) R 1 (b)) {' '.join(fields)}\n"
    (tmp_path / str(process.pid) / "stat").write_text(line)
    monkeypatch.setattr(kernel, "PROC", tmp_path)
    assert kernel.is_dead(process) is dead


def test_a_system_that_does_not_tell_is_not_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel, "PROC", tmp_path)
    assert kernel.this() is None
