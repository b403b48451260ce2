"""A server that says when its jobs start. A first attempt never ends: it is to be killed."""

import os
import sys
import threading
import time

from qml import Qml, current_job
from qml.work import kernel

from ..loops import URL

NAME = "note"
ELSEWHERE = "elsewhere"


def note(number: int) -> None:
    """Say that it starts, by a clock that all processes of a machine share; in one piece, since
    others start at the same time."""
    sys.stdout.write(f"{number} {time.monotonic()}\n")
    sys.stdout.flush()
    job = current_job()
    if job is None or job.attempt == 1:
        threading.Event().wait()


def serve(url: str, lease: float, threads: int) -> None:
    """A server, until its standard input ends."""
    with Qml(url) as jobs:
        jobs.task(name=NAME)(note)
        with jobs.server(threads=threads, lease_seconds=lease):
            print("ready", flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == ELSEWHERE:
        kernel.this = lambda: None  # as on a machine whose processes others cannot see
    serve(os.environ[URL], float(sys.argv[2]), int(sys.argv[3]))
