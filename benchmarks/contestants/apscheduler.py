"""APScheduler 3 with a store in SQLite and threads: a date that is now is its job.

It removes a job when it hands it to a thread, and keeps nothing of it. It stores many jobs one by
one.
"""

# mypy: disable-error-code="import-not-found"

import logging
import time
from importlib import import_module

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from ..loops import PAYLOAD, THREADS, enter, split

logging.getLogger("apscheduler").setLevel(logging.ERROR)

NOTHING = "benchmarks.contestants.apscheduler:nothing"
runs: list[None] = []


def nothing(text: str) -> int:
    """The job."""
    runs.append(None)
    return 1


class Contestant:
    """A scheduler, which first only stores."""

    def __init__(self, url: str) -> None:
        address, _ = split(url)
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(THREADS)},
            job_defaults={"misfire_grace_time": None},
        )
        self._scheduler.add_jobstore("sqlalchemy", url=address)
        self._scheduler.start(paused=True)

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._scheduler.add_job(NOTHING, args=[PAYLOAD])

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        for _ in range(many):
            self._scheduler.add_job(NOTHING, args=[PAYLOAD])

    def drain(self, size: int) -> None:
        """It does them."""
        seen = import_module(NOTHING.partition(":")[0])  # this one is run as a command, beside it
        self._scheduler.resume()
        while len(seen.runs) < size:
            time.sleep(0.005)

    def close(self) -> None:
        """Nothing: one that only stored would begin with its jobs as it is shut down."""


if __name__ == "__main__":
    enter(Contestant)
