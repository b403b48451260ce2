"""pgqueuer as it comes, on PostgreSQL: coroutines in one thread, ten are claimed at once.

It keeps in a log that a job succeeded, and not the value that it returned.
"""

# mypy: disable-error-code="import-not-found"

import asyncio
import threading
import time

import psycopg
from pgqueuer import PgQueuer
from pgqueuer.adapters.persistence.queries import Queries, SyncQueries
from pgqueuer.db import PsycopgDriver, SyncPsycopgDriver
from pgqueuer.models import Job

from ..loops import PAYLOAD, enter, split


class Contestant:
    """Its tables in the schema; a connection for each thread that enqueues."""

    def __init__(self, url: str) -> None:
        self._address, settings = split(url)
        schema = settings["schema_name"]
        self._options = f"-c search_path={schema}"
        with psycopg.connect(self._address) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        self._mine = threading.local()
        self._runs: list[None] = []
        self._worker: threading.Thread | None = None
        asyncio.run(self._install())

    async def _connect(self) -> "psycopg.AsyncConnection[tuple[object, ...]]":
        return await psycopg.AsyncConnection.connect(
            self._address, options=self._options, autocommit=True
        )

    async def _install(self) -> None:
        async with await self._connect() as connection:
            await Queries(PsycopgDriver(connection)).install()

    def _queries(self) -> SyncQueries:
        if not hasattr(self._mine, "queries"):
            connection = psycopg.connect(self._address, options=self._options, autocommit=True)
            self._mine.queries = SyncQueries(SyncPsycopgDriver(connection))
        queries: SyncQueries = self._mine.queries
        return queries

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._queries().enqueue("nothing", PAYLOAD.encode())

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        self._queries().enqueue(["nothing"] * many, [PAYLOAD.encode()] * many, [0] * many)

    def drain(self, size: int) -> None:
        """A worker does them, until its table has none left."""
        self._worker = threading.Thread(target=lambda: asyncio.run(self._work()))
        self._worker.start()
        while len(self._runs) < size or self._queries().queue_size():
            time.sleep(0.005)

    async def _work(self) -> None:
        async with await self._connect() as connection:
            worker = PgQueuer(PsycopgDriver(connection))
            self._stop = (asyncio.get_running_loop(), worker.shutdown)

            @worker.entrypoint("nothing")
            async def nothing(job: Job) -> None:
                self._runs.append(None)

            await worker.run()

    def close(self) -> None:
        """See loops.Contestant."""
        if self._worker is not None:
            loop, shutdown = self._stop
            loop.call_soon_threadsafe(shutdown.set)
            self._worker.join()


if __name__ == "__main__":
    enter(Contestant)
