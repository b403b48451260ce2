"""persist-queue's SQLite queue with acknowledgement, and eight threads of ours that take from it.

It keeps no value. It stores many jobs one by one.
"""

# mypy: disable-error-code="import-not-found"

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from persistqueue import Empty, SQLiteAckQueue

from ..loops import PAYLOAD, THREADS, enter, split


class Contestant:
    """A queue that threads share."""

    def __init__(self, url: str) -> None:
        file = Path(split(url)[0].removeprefix("sqlite:///"))
        self._queue = SQLiteAckQueue(
            str(file.parent), db_file_name=file.name, multithreading=True, auto_commit=True
        )

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._queue.put(PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        for _ in range(many):
            self._queue.put(PAYLOAD)

    def drain(self, size: int) -> None:
        """Threads take a job, do nothing, and acknowledge it."""
        with ThreadPoolExecutor(THREADS) as pool:
            done = sum(pool.map(self._drain, range(THREADS)))
        assert done == size, f"{done} of {size} jobs were done"

    def _drain(self, _: int) -> int:
        done = 0
        while True:
            try:
                text = self._queue.get(block=False)
            except Empty:
                return done
            self._queue.ack(text)
            done += 1

    def close(self) -> None:
        """See loops.Contestant."""
        self._queue.close()


if __name__ == "__main__":
    enter(Contestant)
