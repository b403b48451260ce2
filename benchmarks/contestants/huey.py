"""huey as it comes: a consumer with threads, the value that a job returns is stored.

Its commits to SQLite are flushed; for qml's durability "normal" its ``fsync`` is off, and then it
flushes nothing at all. It stores many jobs one by one.
"""

# mypy: disable-error-code="import-not-found"

import time
from typing import Any

import huey

from ..loops import PAYLOAD, THREADS, enter, split


def _app(url: str) -> Any:
    address, settings = split(url)
    if address.startswith("sqlite:///"):
        options = {"fsync": False} if settings.get("durability") == "normal" else {}
        return huey.SqliteHuey(filename=address.removeprefix("sqlite:///"), **options)
    if address.startswith("memory"):
        return huey.MemoryHuey()
    return huey.RedisHuey(settings["key_prefix"], url=address)


class Contestant:
    """An app with a task that does nothing."""

    def __init__(self, url: str) -> None:
        self._app = _app(url)
        self._runs: list[None] = []
        self._nothing = self._app.task()(self._run)
        self._consumer = self._app.create_consumer(workers=THREADS, periodic=False)

    def _run(self, text: str) -> int:
        self._runs.append(None)
        return 1

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._nothing(PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        for _ in range(many):
            self._nothing(PAYLOAD)

    def drain(self, size: int) -> None:
        """A consumer does them, until the last value is stored."""
        self._consumer.start()
        while len(self._runs) < size:
            time.sleep(0.005)
        while self._app.result_count() < size:
            time.sleep(0.001)

    def map(self, many: int) -> None:
        """See loops.Mapper."""
        self._consumer.start()
        results = self._nothing.map([PAYLOAD] * many).get(blocking=True)
        assert [*results] == [1] * many

    def close(self) -> None:
        """See loops.Contestant."""
        if self._runs:
            self._consumer.stop(graceful=True)


if __name__ == "__main__":
    enter(Contestant)
