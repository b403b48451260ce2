"""Rows in and out: insert all or none, erase."""

from collections.abc import Sequence

from psycopg2.errors import UniqueViolation

from ...seam.rows import KEY_FREE, Finished, Inserted, Obstacle, Row
from . import arrays
from .connections import Call
from .session import Rows

COLUMNS = Row._fields[1:]


def insert(call: Call, rows: Sequence[Row]) -> Inserted:
    """Store all rows or none, and say what stands in the way: when the reply to an earlier try was
    lost, that may be the very rows."""
    if len(rows) == 1:
        for (seq,) in call.run(call.sql["insert_one"], rows[0]._asdict()):
            return Inserted([seq], [])
    inserted = _insert_all(call, rows)
    if inserted.obstacles and call.again and (seqs := _stored_before(call, rows)):
        return Inserted(seqs, [])
    return inserted


def _insert_all(call: Call, rows: Sequence[Row]) -> Inserted:
    keys = [key for row in rows if (key := _wanted(row)) is not None]
    fits = len({row.id for row in rows}) == len(rows) and len(set(keys)) == len(keys)
    values: dict[str, object] = {**arrays.columns(COLUMNS, (row[1:] for row in rows))}
    values |= {"keys": arrays.literal(keys), "fits": fits}
    while True:
        try:
            found = call.run(call.sql["insert"], values)
        except UniqueViolation:
            continue  # another was faster, and is seen now
        seqs = sorted(seq for seq, _, _ in found if seq is not None)
        return Inserted(seqs, [] if seqs else _obstacles(rows, found))


def _wanted(row: Row) -> str | None:
    """The key that a row reserves."""
    return row.unique_key if row.key_held != KEY_FREE else None


def _obstacles(rows: Sequence[Row], taken: Rows) -> list[Obstacle]:
    """What stands in the way, of rows stored before and of those before in the batch."""
    ids = {job_id for _, job_id, _ in taken}
    holders = {key: job_id for _, job_id, key in taken if key is not None}
    found = []
    for index, row in enumerate(rows):
        key = _wanted(row)
        if row.id in ids:
            found.append(Obstacle(index, "id", row.id))
        elif key is not None and key in holders:
            found.append(Obstacle(index, "key", holders[key]))
        else:
            ids.add(row.id)
            if key is not None:
                holders[key] = row.id
    return found


def _stored_before(call: Call, rows: Sequence[Row]) -> list[int]:
    """The seqs of these rows if an earlier try has stored them; none if it has not. It has if one
    still carries the stamp, or if all are there with what no change of state touches: they were
    claimed since. One that was erased since gets a seq that no row has."""
    values = {"id": arrays.literal(row.id for row in rows)}
    found = {job_id: rest for job_id, *rest in call.run(call.sql["stored_before"], values)}
    stamped = any(stamp == call.stamp for _, stamp, *_ in found.values())
    same = all(
        row.id in found and found[row.id][2:] == [row.created_at, row.method, row.payload]
        for row in rows
    )
    return [found.get(row.id, [0])[0] for row in rows] if stamped or same else []


def erase(call: Call, target: Finished | Sequence[str], limit: int) -> int:
    """Remove rows; how many. When the reply to an earlier try was lost, ids that are not there now
    count as removed by it."""
    if isinstance(target, Finished):
        [(count,)] = call.run(call.sql["erase_finished"], {**target._asdict(), "limit": limit})
        return int(count)
    values = {"id": arrays.literal(target), "limit": limit}
    [(count, known)] = call.run(call.sql["erase"], values)
    return len(set(target)) - int(known) + int(count) if call.again else int(count)
