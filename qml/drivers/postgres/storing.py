"""Rows in and out: insert all or none, erase."""

from collections.abc import Sequence
from operator import itemgetter

from psycopg2.errors import UniqueViolation

from ...seam.alike import in_common
from ...seam.rows import KEY_FREE, Finished, Inserted, Obstacle, Overdue, Row, Write
from . import arrays
from .connections import Call
from .session import Rows

OWN = ("id", "created_at", "unique_key", "detail", "payload")
SHARED = tuple(name for name in Row._fields[1:] if name not in OWN)

_own = itemgetter(*map(Row._fields.index, OWN))
_shared = itemgetter(*map(Row._fields.index, SHARED))


def insert(call: Call, rows: Sequence[Row], record: Write | None) -> Inserted:
    """Store all rows or none, and the record with them, and say what stands in the way: when the
    reply to an earlier try was lost, that may be the very rows."""
    quick = (_quick(rows) or _mixed(rows)) if record is None else None
    if quick is not None and (seqs := call.insert_and_hint(*quick)):
        return Inserted(seqs, [])
    while True:
        try:
            return known(call, rows, record, _insert_any(call, rows, record))
        except UniqueViolation:
            continue  # another was faster, and is seen now


def known(call: Call, rows: Sequence[Row], record: Write | None, inserted: Inserted) -> Inserted:
    """What was inserted; or what an earlier try had, where it stands in the way of this one."""
    if inserted.obstacles and call.again:
        return _stored_before(call, rows, record) or inserted
    return inserted


def insert_once(call: Call, rows: Sequence[Row], record: Write | None) -> Inserted:
    """Store all rows or none, and the record. UniqueViolation when another does so just now."""
    if record is None and (quick := _quick(rows)) is not None:
        name, values = quick
        if found := call.run(call.sql[name], values):
            return Inserted([seq for (seq,) in found], [])
    return _insert_any(call, rows, record)


def _quick(rows: Sequence[Row]) -> tuple[str, dict[str, object]] | None:
    """The statement that stores just such rows, as long as nothing stands in the way, and what it
    is given: of one row, or of those that differ in id and payload alone and hold no key. None =
    there is none."""
    values: dict[str, object] = rows[0]._asdict()
    if len(rows) == 1:
        return "insert_one", values
    if _wanted(rows[0]) is not None or not _are_alike(rows):
        return None
    ids = [row.id for row in rows]
    lines = {"ids": arrays.lines(ids), "payloads": arrays.lines([row.payload for row in rows])}
    if None in lines.values():
        return None
    return "insert_alike", {**values, **lines, "low": min(ids), "high": max(ids)}


def _mixed(rows: Sequence[Row]) -> tuple[str, dict[str, object]] | None:
    """The same for rows of any kind. None = they are in each other's way."""
    values = _of_any_kind(rows)
    return ("insert_mixed", values) if values["fits"] else None


def _are_alike(rows: Sequence[Row]) -> bool:
    """Whether they differ in id and payload alone, and each has an id of its own."""
    first = in_common(rows[0])
    same = all(in_common(row) == first for row in rows)
    return same and len({row.id for row in rows}) == len(rows)


def _insert_any(call: Call, rows: Sequence[Row], record: Write | None) -> Inserted:
    """Store rows of any kind, and the record; or say what stands in the way."""
    values = _of_any_kind(rows)
    if record is not None:
        return _insert_with(call, rows, record, values)
    found = call.run(call.sql["insert"], values)
    seqs = sorted(seq for seq, _, _ in found if seq is not None)
    return Inserted(seqs, [] if seqs else _obstacles(rows, found))


def _of_any_kind(rows: Sequence[Row]) -> dict[str, object]:
    """What the statements that store such rows are given. ``fits``: whether all have ids and keys
    of their own."""
    keys = [key for row in rows if (key := _wanted(row)) is not None]
    fits = len({row.id for row in rows}) == len(rows) and len(set(keys)) == len(keys)
    return {**_by_kind(rows), "keys": arrays.literal(keys), "fits": fits}


def _by_kind(rows: Sequence[Row]) -> dict[str, object]:
    """Rows as arrays. What they share, most of it, is sent once for each kind of row, and there is
    seldom more than one: a third less to do here and there."""
    kinds: dict[tuple[object, ...], int] = {}
    kind = [kinds.setdefault(_shared(row), len(kinds) + 1) for row in rows]
    return {
        **arrays.columns(OWN, map(_own, rows)),
        **arrays.columns(SHARED, kinds),
        "kind": arrays.literal(kind),
    }


def _insert_with(
    call: Call, rows: Sequence[Row], record: Write, values: dict[str, object]
) -> Inserted:
    found = call.run(call.sql["insert_with_record"], values | record._asdict())
    (written, version), answers = found[0][:2], [values[2:] for values in found]
    if written:
        return Inserted(sorted(seq for seq, _, _ in answers if seq is not None), [])
    taken = [values for values in answers if values[1] is not None]
    obstacles = _obstacles(rows, taken) if version == record.expected else []
    return Inserted([], obstacles or [Obstacle(-1, "record", record.name)])


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


def _stored_before(call: Call, rows: Sequence[Row], record: Write | None) -> Inserted | None:
    """What an earlier try has stored; None if it has not. It has if a row or the record still
    carries the stamp, or if all rows are there with what no change of state touches: they were
    claimed since, and the record was written again. A row that was erased since gets a seq that no
    row has."""
    values = {"id": arrays.literal(row.id for row in rows)}
    found = {job_id: rest for job_id, *rest in call.run(call.sql["stored_before"], values)}
    stamps = {stamp for _, stamp, *_ in found.values()}
    same = all(
        row.id in found and found[row.id][2:] == [row.created_at, row.method, row.payload]
        for row in rows
    )
    if record is not None:
        written = call.run(call.sql["written_before"], {"name": record.name})
        stamps |= {stamp for _, stamp in written}
        same = same and bool(rows) and any(version > record.expected + 1 for version, _ in written)
    if call.stamp not in stamps and not same:
        return None
    return Inserted([found.get(row.id, [0])[0] for row in rows], [])


def erase(call: Call, target: Finished | Overdue | Sequence[str], limit: int) -> int:
    """Remove rows; how many. When the reply to an earlier try was lost, ids that are not there now
    count as removed by it."""
    if isinstance(target, Finished | Overdue):
        statement = "erase_finished" if isinstance(target, Finished) else "erase_overdue"
        [(count,)] = call.run(call.sql[statement], {**target._asdict(), "limit": limit})
        return int(count)
    values = {"id": arrays.literal(target), "limit": limit}
    [(count, known)] = call.run(call.sql["erase"], values)
    return len(set(target)) - int(known) + int(count) if call.again else int(count)
