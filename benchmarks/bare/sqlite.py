"""A loop of sqlite3: ``BEGIN IMMEDIATE``, and a statement for each row.

A claim is not flushed, as qml's is not: the power that fails takes the claimer, too.
"""

from typing import Any
from uuid import uuid4

from qml import SqliteConfig
from qml.drivers.sqlite.library import library as sqlite3  # the same SQLite as qml's
from qml.drivers.statements import read_page

from .texts import TEXTS

SQL = read_page("benchmarks.bare", "sqlite.sql")

DRAINERS = 1
"""Threads that drain: there is one writer at a time."""


class Connection:
    """One connection to the file."""

    def __init__(self, config: SqliteConfig) -> None:
        self._durability = config.durability
        self._connection = sqlite3.connect(
            config.path, timeout=60, isolation_level=None, check_same_thread=False
        )
        self._flush(self._durability)

    def insert(self, many: int) -> None:
        """Store many jobs in one commit."""
        run = self._connection.execute
        run(SQL["begin"])
        for _ in range(many):
            seq = run(SQL["insert"], {**TEXTS, "id": str(uuid4())}).lastrowid
            run(SQL["insert_payload"], {**TEXTS, "seq": seq})
        run(SQL["commit"])

    def claim(self, most: int) -> list[Any]:
        """Take the best jobs, in one commit."""
        self._flush("normal")
        self._connection.execute(SQL["begin"])
        rows: list[Any] = self._connection.execute(SQL["best"], {"most": most}).fetchall()
        taken = ({**TEXTS, "seq": row[0]} for row in rows)
        self._connection.executemany(SQL["claim"], taken)
        self._connection.execute(SQL["commit"])
        self._flush(self._durability)
        return rows

    def finish(self, rows: list[Any]) -> None:
        """Record that they were done, in one commit."""
        self._connection.execute(SQL["begin"])
        done = ({**TEXTS, "seq": row[0], "version": row[2] + 1} for row in rows)
        self._connection.executemany(SQL["finish"], done)
        self._connection.execute(SQL["commit"])

    def close(self) -> None:
        """Let it go."""
        self._connection.close()

    def _flush(self, durability: str) -> None:
        self._connection.execute(SQL[f"synchronous_{durability}"])
