"""A server that begins at a word, and says at its end how many jobs it has started."""

import os
import sys
from itertools import count

from qml import Qml

from ..loops import THREADS, URL

NAME = "nothing"


def drain(url: str) -> int:
    """Jobs started, from a line of standard input to its end."""
    starts = count()
    with Qml(url) as jobs:
        jobs.task(name=NAME)(lambda text: next(starts))
        server = jobs.server(threads=THREADS)
        jobs.storage.get_job_counts()
        print("ready", flush=True)
        sys.stdin.readline()
        with server:
            sys.stdin.read()
    return next(starts)


if __name__ == "__main__":
    print(drain(os.environ[URL]))
