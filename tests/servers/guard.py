"""The guard: a small process that ends all servers and removes their folders when the tests end.

However they end, SIGKILL too: it reads a pipe that only the process of the tests holds open, and
the kernel closes that. A server is enlisted by its own process before it becomes the server, and
the guard makes the folder itself, so there is no moment at which a kill leaves something behind.

This file is both: imported, the side of the tests; run, the guard itself.
"""

import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

# Its stdin is the guard's pipe until it becomes the server.
ENLIST = 'echo $$ >&0; exec "$@" </dev/null'


class Guard:
    """The tests' side: one folder for everything, and processes that end when this one does."""

    def __init__(self) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self._pipe = self._guard.stdin
        with self._guard.stdout as answer:
            self.folder = Path(os.fsdecode(answer.readline().rstrip()))
        self._enlisted: dict[int, subprocess.Popen[bytes]] = {}
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._leave)

    def spawn(
        self, command: Sequence[str | Path], log: Path, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own; what it says is added to the log."""
        with log.open("ab") as out:
            popen = subprocess.Popen(
                ["/bin/sh", "-c", ENLIST, "sh", *command],
                stdin=self._pipe,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
                **options,
            )
        self._enlisted[popen.pid] = popen
        return popen

    def dismiss(self, popen: subprocess.Popen[bytes]) -> int:
        """Wait until the process has ended; its exit code."""
        code = popen.wait(60)
        if self._enlisted.pop(popen.pid, None):
            self._pipe.write(b"-%d\n" % popen.pid)
        return code

    def close(self) -> None:
        """End everything, as the end of this process does."""
        self._pipe.close()
        self._guard.wait(60)
        for popen in self._enlisted.values():
            popen.wait(60)

    def _leave(self) -> None:
        """A forked child has no guard yet, and does not hold its parent's pipe open."""
        self._pipe.close()
        atexit.unregister(self.close)
        guard.cache_clear()


@cache
def guard() -> Guard:
    """The guard of this process."""
    return Guard()


def send(pid: int, number: int) -> None:
    """Signal a process and all below it; the children of PostgreSQL have groups of their own."""
    with contextlib.suppress(OSError):  # it has gone
        os.kill(pid, signal.SIGSTOP)
        while not stands(pid):  # a fork that it is in the midst of ends first
            time.sleep(0.0005)
        for child in children(pid):
            send(child, number)
        os.kill(pid, number)


def children(pid: int) -> list[int]:
    """The children of a process."""
    if sys.platform == "linux":
        listed = _read(f"/proc/{pid}/task/{pid}/children")
    else:
        listed = _output("pgrep", "-P", str(pid))
    return [int(child) for child in listed.split()]


def runs(pid: int) -> bool:
    """A zombie does not: a slow init leaves an orphan as one for a while."""
    return _state(pid) not in ("", "Z", "X")


def stands(pid: int) -> bool:
    """Whether it was stopped, or runs no more."""
    return _state(pid) in ("", "Z", "X", "T", "t")


def _state(pid: int) -> str:
    if sys.platform == "linux":
        return _read(f"/proc/{pid}/stat").rpartition(") ")[2][:1]
    return _output("ps", "-o", "stat=", "-p", str(pid))[:1]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def remove(folder: Path) -> None:
    """Remove a folder whose processes were killed just now, and what PostgreSQL left in memory."""
    for lock in (*folder.glob("data/postmaster.pid"), *folder.glob("*/data/postmaster.pid")):
        _free_shared_memory(lock)
    for _ in range(1_000):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.005)
    raise TimeoutError(f"{folder} cannot be removed")


def _free_shared_memory(lock: Path) -> None:
    """A postmaster that was killed leaves a System V segment, whose id is in its lock file."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        _key, segment = lock.read_text().splitlines()[6].split()
        ctypes.CDLL(None).shmctl(int(segment), 0, None)  # 0 is IPC_RMID


def main() -> None:
    """The guard's side: it ends when the pipe does, by nothing else."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder = Path(tempfile.mkdtemp(prefix="qml-servers-"))
    folder.chmod(0o711)  # servers that root starts run as nobody
    sys.stdout.buffer.write(os.fsencode(folder) + b"\n")
    sys.stdout.close()
    enlisted: set[int] = set()
    for line in sys.stdin:
        pid = int(line)
        (enlisted.discard if pid < 0 else enlisted.add)(abs(pid))
    for pid in enlisted:
        send(pid, signal.SIGKILL)
    remove(folder)


if __name__ == "__main__":
    main()
