"""What the tests of spawned processes share."""

import functools
from pathlib import Path

from tests.servers.guard import runs as lives
from tests.work import support

PATIENCE = 60.0
"""Seconds after which a test gives up; a dozen Pythons may have to start on a busy machine."""

eventually = functools.partial(support.eventually, timeout=PATIENCE)


def pid_in(folder: Path, name: str) -> int:
    """The process id in a file that a task leaves."""
    eventually((folder / name).exists)
    return int((folder / name).read_text())


def gone(*pids: int) -> None:
    """Wait until none of these processes runs."""
    eventually(lambda: not any(map(lives, pids)))
