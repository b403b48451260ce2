"""Tallies: how they stand, and rows that wait for their parents; triggers count."""

import functools
import json
import sqlite3
from collections.abc import Sequence

from ...seam.rows import Row
from ...seam.tallies import Tally, woken
from .statements import SQL


def read(connection: sqlite3.Connection, name: str) -> Tally | None:
    """How a tally stands."""
    found = connection.execute(SQL["read_tally"], {"name": name}).fetchone()
    if found is None:
        return None
    unfinished, is_open, failed = found
    return Tally(unfinished, bool(is_open), failed)


def tell(
    connection: sqlite3.Connection, name: str, more: bool | None, failed: int | None
) -> Tally | None:
    """Say whether more are to come, and how many have failed; how it stands then."""
    statement = SQL["open_tally" if more else "tell_tally"]
    connection.execute(statement, {"name": name, "open": more, "failed": failed})
    return read(connection, name)


def attached(connection: sqlite3.Connection, row: Row, parents: Sequence[str]) -> Row:
    """The row as it is to be inserted that waits for its parents: those that have not finished
    count for it from now on. It falls due at once if none is left."""
    left, failed = [], 0
    for parent in dict.fromkeys(parents):
        found = connection.execute(SQL["parent"], {"id": parent}).fetchone()
        seq, counts, finished, well = found or (None, None, True, False)
        if finished:
            failed += not well
        else:
            before = _names(counts) if isinstance(counts, str) else None
            left.append((json.dumps([*(before or ()), row.awaits]), seq))
    if not left:
        return woken(row, failed)
    connection.executemany(SQL["set_counts"], left)
    values = {"name": row.awaits, "unfinished": len(left), "failed": failed}
    connection.execute(SQL["await_parents"], values)
    return row


def mend(connection: sqlite3.Connection, job_id: str) -> None:
    """Have a row count for nothing if what it counts for is no list."""
    seq, counts, *_ = connection.execute(SQL["parent"], {"id": job_id}).fetchone() or (None, None)
    if isinstance(counts, str):
        connection.execute(SQL["set_counts"], (stored(counts), seq))


def stored(counts: str) -> str | bytes:
    """What a row counts for, as it is stored: a damaged list so that no trigger reads it."""
    return counts if _names(counts) is not None else counts.encode("utf-8", "surrogatepass")


@functools.lru_cache
def _names(counts: str) -> tuple[str, ...] | None:
    try:
        names = json.loads(counts)
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if is_list else None
