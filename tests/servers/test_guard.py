"""Nothing runs and nothing lies about when the process of the tests has ended, however it ended."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.guard import runs
from tests.servers.server import until

REPO = Path(__file__).parents[2]

# One server is paused, and a forked child outlives its parent.
TESTS = """
import json, os, signal, sys
from tests.servers import PostgresServer, ValkeyServer
from tests.servers.guard import children, guard

postgres, valkey = PostgresServer().start(), ValkeyServer(durable=True).start()
postgres.pause()
started = [*children(os.getpid()), *children(postgres.pid)]
child = os.fork()
if not child:
    signal.pause()
print(json.dumps([started, child, str(guard().folder)]), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("end", ["return", signal.SIGKILL])
def test_nothing_is_left(end):
    tests = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", TESTS],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with tests, tests.stdin, tests.stdout:
        started, child, name = json.loads(tests.stdout.readline())
        folder = Path(name)
        (lock,) = folder.glob("*/data/postmaster.pid")
        memory = int(lock.read_text().splitlines()[6].split()[0])
        try:
            assert len(started) > 8
            assert all(map(runs, [*started, child]))
            assert segment_exists(memory)
            tests.stdin.write("\n") if end == "return" else tests.send_signal(end)
            tests.stdin.close()
            tests.wait(30)
            assert until(lambda: not any(map(runs, started)), 30)
            assert until(lambda: not folder.exists(), 30)
            assert not segment_exists(memory)
            assert runs(child)
        finally:
            os.kill(child, signal.SIGKILL)


def segment_exists(key: int) -> bool:
    """Of System V's shared memory, by which PostgreSQL knows that a cluster is in use."""
    return ctypes.CDLL(None).shmget(key, 0, 0) != -1
