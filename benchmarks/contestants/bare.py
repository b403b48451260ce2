"""The database's own driver in a loop; what it does and leaves out, `benchmarks.bare` says."""

import threading
from concurrent.futures import ThreadPoolExecutor

from qml import connect
from qml.storage.urls import parse_url

from ..bare.connection import Connection, loop_of
from ..loops import enter

TAKEN = 100
"""Jobs per claim: what a server of qml with eight threads takes when they are short."""


class Contestant:
    """A connection for each thread."""

    def __init__(self, url: str) -> None:
        self._config = parse_url(url)
        with connect(self._config):  # which makes qml's tables, where it has some
            pass
        self._module = loop_of(self._config)
        self._mine = threading.local()
        self._opened: list[Connection] = []

    def _connection(self) -> Connection:
        if not hasattr(self._mine, "connection"):
            self._mine.connection = self._module.Connection(self._config)
            self._opened.append(self._mine.connection)
        connection: Connection = self._mine.connection
        return connection

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._connection().insert(1)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        self._connection().insert(many)

    def drain(self, size: int) -> None:
        """As many threads as the database is fastest with: a claim and a finish in turn."""
        with ThreadPoolExecutor(self._module.DRAINERS) as pool:
            done = sum(pool.map(self._drain, [size] * self._module.DRAINERS))
        assert done == size, f"{done} of {size} jobs were done"

    def _drain(self, most: int) -> int:
        connection, done = self._connection(), 0
        while done <= most and (rows := connection.claim(TAKEN)):
            connection.finish(rows)
            done += len(rows)
        return done

    def close(self) -> None:
        """See loops.Contestant."""
        for connection in self._opened:
            connection.close()


if __name__ == "__main__":
    enter(Contestant)
