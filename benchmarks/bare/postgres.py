"""A loop of psycopg2: each call is one statement and one commit.

A claim is ``UPDATE ... FOR UPDATE SKIP LOCKED``; many rows are one statement. Claims are flushed,
too: a server may crash alone, and would give the same fence again.
"""

from typing import Any
from uuid import uuid4

import psycopg2

from qml import PostgresConfig
from qml.drivers.statements import read_page

from ..loops import THREADS
from .texts import TEXTS

SQL = read_page("benchmarks.bare", "postgres.sql")

DRAINERS = THREADS
"""Threads that drain: one waits for the disk while another claims."""


class Connection:
    """One connection to the server."""

    def __init__(self, config: PostgresConfig) -> None:
        self._connection = psycopg2.connect(config.database_url)
        self._connection.autocommit = True
        self._cursor = self._connection.cursor()
        self._sql = {
            name: text.replace("{schema}", config.schema_name) for name, text in SQL.items()
        }

    def insert(self, many: int) -> None:
        """Store many jobs in one commit."""
        if many == 1:
            self._cursor.execute(self._sql["insert"], {**TEXTS, "id": str(uuid4())})
        else:
            values = {
                "ids": [str(uuid4()) for _ in range(many)],
                "details": [TEXTS["enqueued"]] * many,
                "payloads": [TEXTS["payload"]] * many,
            }
            self._cursor.execute(self._sql["insert_many"], values)
        self._cursor.fetchall()

    def claim(self, most: int) -> list[Any]:
        """Take the best jobs."""
        self._cursor.execute(self._sql["claim"], {**TEXTS, "most": most})
        return self._cursor.fetchall()

    def finish(self, rows: list[Any]) -> None:
        """Record that they were done."""
        values = {
            "seqs": [row[0] for row in rows],
            "versions": [row[2] for row in rows],
            "details": [TEXTS["done"]] * len(rows),
        }
        self._cursor.execute(self._sql["finish"], values)

    def close(self) -> None:
        """Let it go."""
        self._connection.close()
