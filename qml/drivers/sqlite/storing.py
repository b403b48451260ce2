"""Rows in and out: insert all or none, erase."""

import json
import sqlite3
from collections.abc import Sequence

from ...seam.rows import Finished, Inserted, Obstacle, Overdue, Row, Verdict, Write
from ...seam.tallies import Parents, missing
from . import records, tallies
from .library import library as sqlite
from .statements import SQL

_WORKER, _DUE_AT, _FINISHED_AT, _EXPIRES_AT, _LANE, _COUNTS, _DETAIL = map(
    Row._fields.index,
    ("worker", "due_at", "finished_at", "expires_at", "lane", "counts", "detail"),
)
_NONE_OF_3, _NONE_OF_2, _NOTHING_SHARED = (None,) * 3, (None,) * 2, (*(None,) * 5, 0)


def insert(
    connection: sqlite3.Connection,
    rows: Sequence[Row],
    record: Write | None = None,
    parents: Sequence[Parents] = (),
) -> Inserted:
    """Store all rows and the record, or nothing, and say what stands in the way."""
    gone = missing(rows, parents, lambda name: tallies.read(connection, name) is not None)
    if gone:
        return Inserted([], gone)
    if record is not None and records.write(connection, *record) is not Verdict.DONE:
        return Inserted([], [Obstacle(-1, "record", record.name)])
    cursor = connection.cursor()
    obstacles: list[Obstacle] = []
    payloads: list[tuple[int, str, str]] = []
    after = {one.index: one.ids for one in parents if one.ids is not None}
    for index, row in enumerate(rows):
        if index in after:
            row = tallies.attached(connection, row, after[index])  # noqa: PLW2901
        try:
            _insert_job(cursor, row)
        except sqlite.IntegrityError:
            obstacles.append(_obstacle(connection, index, row))
        else:
            payloads.append((cursor.lastrowid or 0, row.payload, row.notes))
    cursor.executemany(SQL["insert_payload"], payloads)
    if obstacles:
        connection.execute(SQL["rollback"])  # all or none
        return Inserted([], obstacles)
    return Inserted([seq for seq, _, _ in payloads], [])


def _insert_job(cursor: sqlite3.Cursor, row: Row) -> None:
    ready = 1 if row.due_at == 0 else 0
    fresh = row[_WORKER:_DUE_AT] == _NONE_OF_3 and row[_FINISHED_AT:_EXPIRES_AT] == _NONE_OF_2
    if fresh and row[_LANE:_DETAIL] == _NOTHING_SHARED:
        values = (*row[1:_WORKER], row.due_at, *row[_EXPIRES_AT:_LANE], *row[_DETAIL:-2], ready)
        cursor.execute(SQL["insert_fresh"], values)
        return
    counts = None if row.counts is None else tallies.stored(row.counts)
    shared = (*row[_EXPIRES_AT:_COUNTS], counts, *row[_COUNTS + 1 : -2], ready)
    if fresh:
        cursor.execute(SQL["insert_fresh_shared"], (*row[1:_WORKER], row.due_at, *shared))
    else:
        cursor.execute(SQL["insert_job"], (*row[1:_EXPIRES_AT], *shared))


def insert_new(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Store those rows whose ids are not taken; they hold no unique keys."""
    cursor = connection.cursor()
    for row in rows:
        if not cursor.execute(SQL["holder_of_id"], {"id": row.id}).fetchone():
            _insert_job(cursor, row)
            cursor.execute(SQL["insert_payload"], (cursor.lastrowid, row.payload, row.notes))


def _obstacle(connection: sqlite3.Connection, index: int, row: Row) -> Obstacle:
    [*same_id] = connection.execute(SQL["holder_of_id"], {"id": row.id})
    if same_id:
        return Obstacle(index, "id", row.id)
    key = {"unique_key": row.unique_key}
    [(holder,)] = connection.execute(SQL["holder_of_key"], key)
    return Obstacle(index, "key", holder)


def erase(
    connection: sqlite3.Connection, target: Finished | Overdue | Sequence[str], limit: int
) -> int:
    """Remove rows with their payloads; how many."""
    if isinstance(target, Finished | Overdue):
        statement = SQL["finished" if isinstance(target, Finished) else "overdue"]
        found = connection.execute(statement, {**target._asdict(), "limit": limit})
    else:
        wanted = {"ids": json.dumps(target), "limit": limit}
        found = connection.execute(SQL["seqs_of_ids"], wanted)
    seqs = {"seqs": json.dumps([seq for (seq,) in found])}
    connection.execute(SQL["erase_payloads"], seqs)
    return connection.execute(SQL["erase_jobs"], seqs).rowcount
