"""Rows in and out: insert all or none, erase."""

import json
import sqlite3
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter, length_hint

from ...seam.rows import Finished, Inserted, Obstacle, Overdue, Row, Verdict, Write
from ...seam.tallies import Parents, missing
from . import records, tallies
from .insertion import insertion
from .library import library as sqlite
from .statements import SQL


def insert(
    connection: sqlite3.Connection,
    rows: Sequence[Row],
    record: Write | None = None,
    parents: Sequence[Parents] = (),
) -> Inserted:
    """Store all rows and the record, or nothing, and say what stands in the way."""
    if parents:
        gone = missing(rows, parents, lambda name: tallies.read(connection, name) is not None)
        if gone:
            return Inserted([], gone)
    if record is not None and records.write(connection, *record) is not Verdict.DONE:
        return Inserted([], [Obstacle(-1, "record", record.name)])
    if parents or len(rows) < 2:
        stored = _insert_each(connection, rows, parents)
    else:
        stored = _insert_many(connection, rows)
    if stored.obstacles:
        connection.execute(SQL["rollback"])  # all or none
    return stored


def insert_one(connection: sqlite3.Connection, row: Row) -> Inserted:
    """The same of one row, and nothing else."""
    try:
        return Inserted([_insert_one(connection, row)], [])
    except sqlite.IntegrityError:
        obstacle = _obstacle(connection, 0, row)
        connection.execute(SQL["rollback"])
        return Inserted([], [obstacle])


def insert_apart(connection: sqlite3.Connection, rows: Sequence[Row]) -> list[Inserted] | None:
    """Store rows, each an insert of its own. None = one cannot be stored, and none is."""
    stored = insert(connection, rows)
    return [Inserted([seq], []) for seq in stored.seqs] if stored.seqs else None


def _insert_each(
    connection: sqlite3.Connection, rows: Sequence[Row], parents: Sequence[Parents]
) -> Inserted:
    """One by one, as they may wait for each other."""
    stored = Inserted([], [])
    after = {one.index: one.ids for one in parents if one.ids is not None} if parents else {}
    for index, row in enumerate(rows):
        if index in after:
            row = tallies.attached(connection, row, after[index])  # noqa: PLW2901
        try:
            stored.seqs.append(_insert_one(connection, row))
        except sqlite.IntegrityError:
            stored.obstacles.append(_obstacle(connection, index, row))
    return stored if not stored.obstacles else Inserted([], stored.obstacles)


def _insert_one(connection: sqlite3.Connection, row: Row) -> int:
    cursor = connection.execute(SQL["insert_payload"], (row.payload, row.notes))
    seq = cursor.lastrowid or 0
    try:
        cursor.execute(*insertion(row, seq))
    except sqlite.IntegrityError:
        first = _free(cursor, range(seq, seq + 1))[0]
        if first == seq:
            raise
        seq = first
        cursor.execute(*insertion(row, seq))
    return seq


def _insert_many(connection: sqlite3.Connection, rows: Sequence[Row]) -> Inserted:
    """By as few statements as can be: 12 us a row against 22."""
    cursor, obstacles, tried = connection.cursor(), list[Obstacle](), 0
    cursor.executemany(SQL["insert_payload"], [(row.payload, row.notes) for row in rows])
    [last] = cursor.execute(SQL["last_seq"]).fetchone()
    seqs = _free(cursor, range(last - len(rows) + 1, last + 1))
    for text, alike in groupby(map(insertion, rows, seqs), itemgetter(0)):
        values = [given for _, given in alike]
        tried, left = tried + len(values), iter(values)
        while length_hint(left):
            try:
                cursor.executemany(text, left)
            except sqlite.IntegrityError:  # of the last that was taken; those after it are left
                index = tried - length_hint(left) - 1
                obstacles.append(_obstacle(connection, index, rows[index]))
    return Inserted([] if obstacles else [*seqs], obstacles)


def _free(cursor: sqlite3.Cursor, seqs: range) -> range:
    """Where payloads were lost, their numbers are given again, while the jobs have them still: the
    new payloads, which have these ``seqs``, move behind all jobs."""
    [newest] = cursor.execute(SQL["newest"]).fetchone()
    if newest is None or newest < seqs.start:
        return seqs
    by = max(newest + 1 - seqs.start, len(seqs))
    cursor.execute(SQL["move_payloads"], {"by": by, "first": seqs.start})
    return range(seqs.start + by, seqs.stop + by)


def insert_new(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Store those rows whose ids are not taken; they hold no unique keys."""
    for row in rows:
        if not connection.execute(SQL["holder_of_id"], {"id": row.id}).fetchone():
            _insert_one(connection, row)


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
    erased = connection.execute(SQL["erase_jobs"], seqs).rowcount
    connection.execute(SQL["erase_payloads"], seqs)
    connection.execute(SQL["empty_newest"])
    return erased
