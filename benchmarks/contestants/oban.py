"""oban on PostgreSQL: eight coroutines at once, as it has no threads; the value is not kept.

It needs Python 3.12.
"""

# mypy: disable-error-code="import-not-found"

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import psycopg
from oban import Job, Oban, worker
from oban.schema import install_sql
from psycopg_pool import AsyncConnectionPool

from ..loops import PAYLOAD, THREADS, enter, split

runs: list[None] = []


@worker(queue="default")
class Nothing:
    """The job."""

    async def process(self, job: Job) -> None:
        """Do nothing."""
        runs.append(None)


class Contestant:
    """Its tables in the schema, and an event loop in a thread, to which others hand their calls."""

    def __init__(self, url: str) -> None:
        self._address, settings = split(url)
        self._schema = settings["schema_name"]
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {self._schema}")
            connection.execute(install_sql(self._schema))
        self._pool = self._wait(self._open())
        self._app = Oban(pool=self._pool, prefix=self._schema)

    def _wait(self, call: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    async def _open(self) -> "AsyncConnectionPool[Any]":
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            self._address, min_size=1, max_size=THREADS + 2, open=False
        )
        await pool.open()
        return pool

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._wait(self._app.enqueue(Nothing.new({"text": PAYLOAD})))

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        self._wait(self._app.enqueue_many(*[Nothing.new({"text": PAYLOAD}) for _ in range(many)]))

    def drain(self, size: int) -> None:
        """A server of eight does them, until the last is recorded."""
        self._wait(self._drain(size))

    async def _drain(self, size: int) -> None:
        server = Oban(
            pool=self._pool, prefix=self._schema, queues={"default": THREADS}, name="server"
        )
        async with server:
            while len(runs) < size:
                await asyncio.sleep(0.005)
        # Leaving it records what has run.

    def close(self) -> None:
        """See loops.Contestant."""
        self._wait(self._pool.close())
        self._loop.call_soon_threadsafe(self._loop.stop)


if __name__ == "__main__":
    enter(Contestant)
