"""What the kernel tells of the processes of this machine: which one this is, and which are dead.

Linux only: elsewhere no process has a name that is never given again.
"""

import os
import socket
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")

THREADS, BORN = 17, 19
"""Fields of a process's line, counted from that of its state."""


class Process(NamedTuple):
    """A process, and no other that ever was: where its number counts, its number, and the tick
    since the machine's start at which it began. ``machine``: the host's name, what the kernel drew
    at its start, and the namespaces of numbers and ticks."""

    machine: str
    pid: int
    born: int


def this() -> Process | None:
    """This process; None = the system does not tell."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        spaces = [os.readlink(PROC / "self/ns" / name) for name in ("pid", "time")]
        _, _, born = _line(os.getpid())
    except (OSError, ValueError, IndexError):
        return None
    return Process(" ".join((socket.gethostname(), boot, *spaces)), os.getpid(), born)


def is_dead(process: Process) -> bool:
    """Whether a process of this very machine has ended, with all its threads. False where the
    kernel does not say so."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's, which is there
        pass
    try:
        state, threads, born = _line(process.pid)
    except (OSError, ValueError, IndexError):  # it may be hidden from others
        return False
    ended = state in "ZX" and threads <= 1  # nobody has asked how it ended
    return ended or born != process.born


def _line(pid: int) -> tuple[str, int, int]:
    """The state, how many threads there are, and when it began."""
    line = (PROC / str(pid) / "stat").read_bytes()
    fields = line.rpartition(b")")[2].split()  # the name before may hold anything
    return fields[0].decode(), int(fields[THREADS]), int(fields[BORN])
