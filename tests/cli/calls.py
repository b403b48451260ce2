"""What a call of the command line gave, and how to wait for one."""

import sqlite3
import time


class Called:
    """What a call printed, and its exit code."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def ended(process, timeout=60):
    """What a process printed, once it has ended."""
    out, err = process.communicate(timeout=timeout)
    return Called(process.returncode, out, err)


def until(condition, timeout=30):
    """Wait for something another process does."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def content_of(file):
    """All that a SQLite file says, as SQL; nobody else may have it open."""
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()
