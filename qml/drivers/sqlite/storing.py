"""Rows in and out: insert all or none, erase."""

import json
import sqlite3
from collections.abc import Sequence

from ...seam.rows import Finished, Inserted, Obstacle, Row
from .library import library as sqlite
from .statements import SQL


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> Inserted:
    """Store all rows or none, and say what stands in the way."""
    cursor = connection.cursor()
    obstacles: list[Obstacle] = []
    payloads: list[tuple[int, str]] = []
    for index, row in enumerate(rows):
        try:
            cursor.execute(SQL["insert_job"], (*row[1:-1], row.due_at == 0))
        except sqlite.IntegrityError:
            obstacles.append(_obstacle(connection, index, row))
        else:
            payloads.append((cursor.lastrowid or 0, row.payload))
    cursor.executemany(SQL["insert_payload"], payloads)
    if obstacles:
        connection.execute(SQL["rollback"])  # all or none
        return Inserted([], obstacles)
    return Inserted([seq for seq, _ in payloads], [])


def _obstacle(connection: sqlite3.Connection, index: int, row: Row) -> Obstacle:
    [*same_id] = connection.execute(SQL["holder_of_id"], {"id": row.id})
    if same_id:
        return Obstacle(index, "id", row.id)
    key = {"unique_key": row.unique_key}
    [(holder,)] = connection.execute(SQL["holder_of_key"], key)
    return Obstacle(index, "key", holder)


def erase(connection: sqlite3.Connection, target: Finished | Sequence[str], limit: int) -> int:
    """Remove rows with their payloads; how many."""
    if isinstance(target, Finished):
        found = connection.execute(SQL["finished"], {**target._asdict(), "limit": limit})
    else:
        wanted = {"ids": json.dumps(target), "limit": limit}
        found = connection.execute(SQL["seqs_of_ids"], wanted)
    seqs = {"seqs": json.dumps([seq for (seq,) in found])}
    connection.execute(SQL["erase_payloads"], seqs)
    return connection.execute(SQL["erase_jobs"], seqs).rowcount
