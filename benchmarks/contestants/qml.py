"""qml itself, through its public API."""

import time

from qml import Qml, StateKind

from ..loops import BATCH, PAYLOAD, THREADS, enter


class Contestant:
    """An app with a task that does nothing."""

    def __init__(self, url: str) -> None:
        self._jobs = Qml(url)
        self._runs: list[None] = []
        self._nothing = self._jobs.task(name="nothing")(self._run)
        self._server = self._jobs.server(threads=THREADS)
        self._batch = [(PAYLOAD,)] * BATCH

    def _run(self, text: str) -> int:
        self._runs.append(None)
        return 1

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._nothing.enqueue(PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        self._nothing.enqueue_many(self._batch[:many])

    def drain(self, size: int) -> None:
        """A server does them."""
        self._server.start()
        while len(self._runs) < size:
            time.sleep(0.005)
        while self._jobs.storage.get_job_counts()[StateKind.SUCCEEDED] < size:
            time.sleep(0.001)

    def close(self) -> None:
        """See loops.Contestant."""
        self._server.stop()
        self._jobs.close()


if __name__ == "__main__":
    enter(Contestant)
