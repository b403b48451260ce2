"""rq as it comes, on Redis: a worker that forks for each job, whose value is kept."""

# mypy: disable-error-code="import-not-found"

import logging

import redis
import rq

from ..loops import PAYLOAD, enter, split

NOTHING = "benchmarks.contestants.rq.nothing"


def nothing(text: str) -> int:
    """The job."""
    return 1


class Contestant:
    """A queue, and one worker: more of them would share the same two cores."""

    def __init__(self, url: str) -> None:
        address, settings = split(url)
        self._redis = redis.Redis.from_url(address)
        self._queue = rq.Queue(settings["key_prefix"], connection=self._redis)

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._queue.enqueue(NOTHING, PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        self._queue.enqueue_many([rq.Queue.prepare_data(NOTHING, (PAYLOAD,)) for _ in range(many)])

    def drain(self, size: int) -> None:
        """A worker does them and ends."""
        worker = rq.Worker([self._queue], connection=self._redis)
        worker.work(burst=True, logging_level=logging.ERROR)
        done = self._queue.finished_job_registry.count
        assert done == size, f"{done} of {size} jobs were done"

    def close(self) -> None:
        """See loops.Contestant."""
        self._queue.delete(delete_jobs=True)
        self._redis.close()


if __name__ == "__main__":
    enter(Contestant)
