"""dramatiq as it comes, on Redis: a worker with threads, the value that a job returns is stored.

It stores many jobs one by one.
"""

# mypy: disable-error-code="import-not-found"

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from ..loops import PAYLOAD, THREADS, enter, split


class Contestant:
    """A broker with an actor that does nothing."""

    def __init__(self, url: str) -> None:
        address, settings = split(url)
        name = settings["key_prefix"]
        self._broker = RedisBroker(url=address, namespace=name)
        self._broker.add_middleware(
            Results(backend=RedisBackend(url=address, namespace=f"{name}-results"))
        )
        self._nothing = dramatiq.actor(
            lambda text: 1, actor_name="nothing", broker=self._broker, store_results=True
        )
        self._worker = dramatiq.Worker(self._broker, worker_threads=THREADS)

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._nothing.send(PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        for _ in range(many):
            self._nothing.send(PAYLOAD)

    def drain(self, size: int) -> None:
        """A worker does them; each is acknowledged after its value is stored."""
        self._worker.start()
        self._broker.join("default", interval=5)

    def close(self) -> None:
        """See loops.Contestant."""
        self._worker.stop()
        self._broker.close()


if __name__ == "__main__":
    enter(Contestant)
