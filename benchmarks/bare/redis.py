"""A loop of redis-py: a hash for each job, with qml's columns, and sorted sets it is moved between.

Three short scripts, as one writes them by hand: a step of the server each, and of its log. There is
a set of the jobs that are ready, one of those that run, one of those that are finished. Left out is
what qml's scripts do besides: sets by state and by queue, tallies, unique keys, jobs that fall due
later, and the answer to a call that is made again because its reply was lost.
"""

from importlib.resources import files
from typing import Any
from uuid import uuid4

import redis

from qml import RedisConfig

from ..loops import THREADS
from .texts import TEXTS

DRAINERS = THREADS
"""Threads that drain: the server flushes once for all that are there at a time."""


class Connection:
    """One connection to the server."""

    def __init__(self, config: RedisConfig) -> None:
        self._client = redis.Redis.from_url(config.url, single_connection_client=True)
        self._keys = [f"{{{config.key_prefix}}}:"]
        self._insert, self._claim, self._finish = (
            self._client.register_script(files(__package__).joinpath(f"{name}.lua").read_text())
            for name in ("insert", "claim", "finish")
        )

    def insert(self, many: int) -> None:
        """Store many jobs in one step."""
        new = [(str(uuid4()), TEXTS["enqueued"], TEXTS["payload"]) for _ in range(many)]
        self._insert(self._keys, [value for job in new for value in job])

    def claim(self, most: int) -> list[Any]:
        """Take the best jobs, in one step."""
        rows: list[Any] = self._claim(self._keys, [most, TEXTS["started"]])
        return rows

    def finish(self, rows: list[Any]) -> None:
        """Record that they were done, in one step."""
        done = [(row[0], row[1], TEXTS["done"]) for row in rows]
        self._finish(self._keys, [value for job in done for value in job])

    def close(self) -> None:
        """Let it go."""
        self._client.close()
