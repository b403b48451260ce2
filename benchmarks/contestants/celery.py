"""celery on Redis with threads, otherwise as it comes: the value that a job returns is kept.

A job is acknowledged before it runs. It stores many jobs one by one.
"""

# mypy: disable-error-code="import-not-found"

import threading
import time
from typing import Any

from celery import Celery
from celery.worker import WorkController

from ..loops import PAYLOAD, THREADS, enter, split


class Contestant:
    """An app with a task that does nothing."""

    def __init__(self, url: str) -> None:
        address, settings = split(url)
        name = settings["key_prefix"]
        self._app = Celery("bench", broker=address, backend=address, set_as_current=False)
        self._app.conf.update(
            task_default_queue=name,
            result_backend_transport_options={"global_keyprefix": name},
            broker_transport_options={"global_keyprefix": name},
            worker_enable_remote_control=False,
        )
        self._runs: list[None] = []

        @self._app.task(name="nothing")
        def nothing(text: str) -> int:
            self._runs.append(None)
            return 1

        self._nothing = nothing
        self._worker: Any = None

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._nothing.delay(PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        for _ in range(many):
            self._nothing.delay(PAYLOAD)

    def drain(self, size: int) -> None:
        """A worker does them, until the last has returned."""
        self._worker = WorkController(
            app=self._app,
            pool="threads",
            concurrency=THREADS,
            loglevel="ERROR",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        threading.Thread(target=self._worker.start, daemon=True).start()
        while len(self._runs) < size:
            time.sleep(0.005)

    def close(self) -> None:
        """See loops.Contestant."""
        if self._worker is not None:
            self._worker.stop()
        self._app.close()


if __name__ == "__main__":
    enter(Contestant)
