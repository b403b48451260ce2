"""spinach as it comes, on Redis: threads, a job that ended is removed and its value is not kept."""

# mypy: disable-error-code="import-not-found"

import logging

import redis
from spinach import Batch, Engine, RedisBroker

from ..loops import PAYLOAD, THREADS, enter, split

logging.getLogger("spinach").setLevel(logging.WARNING)


class Contestant:
    """An engine with a task that does nothing, and may be tried again: others are lost with their
    worker."""

    def __init__(self, url: str) -> None:
        address, settings = split(url)
        client = redis.Redis.from_url(address)
        self._engine = Engine(RedisBroker(client), namespace=settings["key_prefix"])

        @self._engine.task(name="nothing", max_retries=5)
        def nothing(text: str) -> int:
            return 1

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._engine.schedule("nothing", PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        batch = Batch()
        for _ in range(many):
            batch.schedule("nothing", PAYLOAD)
        self._engine.schedule_batch(batch)

    def drain(self, size: int) -> None:
        """Workers do them and end."""
        self._engine.start_workers(number=THREADS, block=True, stop_when_queue_empty=True)

    def close(self) -> None:
        """See loops.Contestant."""


if __name__ == "__main__":
    enter(Contestant)
