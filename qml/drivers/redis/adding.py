"""The order of add.lua: new rows that reserve no key, and are in no lane and nobody's tally.

What rows have in common, as one task's jobs have, is written once for all of them: what is left for
each is its id, its moment and its texts.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from ...seam.alike import in_common
from ...seam.rows import KEY_FREE, Row
from . import texts

_AT = {column: place for place, column in enumerate(Row._fields)}
_VERSION, _CREATED, _TEXTS = _AT["version"], _AT["created_at"], _AT["detail"]
_DUE, _EXPIRES, _RIPE = _AT["due_at"], _AT["expires_at"], -2

_OF_OTHERS = (
    *("key_held", "lease_until", "finished_at", "purge_at"),
    *("lane", "permit", "counts", "awaits"),
)
_of_others = itemgetter(*map(_AT.__getitem__, _OF_OTHERS))
_NONE_OF_THEM = (KEY_FREE, *[None] * (len(_OF_OTHERS) - 1))

MOST = 100_000
"""Rows of one order: a server takes a million words at once."""


class Kind(NamedTuple):
    """What new rows share: their columns before and after the moment of their creation, as JSON;
    and those by which they are placed."""

    head: str
    tail: str
    placed_by: Sequence[bytes]


def words(rows: Sequence[Row]) -> list[bytes] | None:
    """The order; None = they need more: one has others to do with, or stands in another's way."""
    many = len(rows)
    if many > MOST or (many > 1 and len({row.id for row in rows}) < many):
        return None
    runs = [*_runs(rows)]
    if not all(_needs_no_more(run[0]) for run in runs):
        return None
    found = [b"%d" % many, *[row.id.encode() for row in rows]]
    for run in runs:
        row = run[0]
        kind = _kind(row[_VERSION:_CREATED], row[_CREATED + 1 : _TEXTS])
        columns = f"{kind.head}{texts.moment(row.created_at)}{kind.tail}"
        others = _texts(row)
        found += (b"%d" % len(run), columns.encode(), *kind.placed_by, b"%d" % (len(others) // 2))
        found += (*others, *[row.payload.encode() for row in run])
    return found


def _needs_no_more(row: Row) -> bool:
    return _of_others(row) == _NONE_OF_THEM and row.due_at is not None


def _runs(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    if len(rows) == 1:
        yield rows
    else:
        for _, run in groupby(rows, in_common):
            yield [*run]


@lru_cache(100)
def _kind(before: tuple[object, ...], after: tuple[object, ...]) -> Kind:
    """Of the columns of a row before and after its creation."""
    row = Row._make((None, "", *before, 0, *after, *[""] * (len(Row._fields) - _TEXTS)))
    columns = texts.columns(row)
    is_ripe, shares = row.due_at is not None and row.due_at <= 0, row.batch is not None
    columns[-2:] = [is_ripe and "1", shares and "1"]
    head, tail = texts.dumps(columns[_VERSION:_CREATED]), texts.dumps(columns[_CREATED + 1 :])
    return Kind(f'{head[1:-1].decode()},"', f'",{tail[1:].decode()}', _placed_by(row, columns))


def _placed_by(row: Row, columns: texts.Texts) -> list[bytes]:
    rank = texts.rank(row.priority)
    due = "" if columns[_RIPE] else columns[_DUE]
    batch = "" if row.batch is None else texts.grouped(row.batch)
    given = (row.state, row.queue, row.method, rank, due, columns[_EXPIRES] or "", batch)
    return [text.encode() for text in given]


def _texts(row: Row) -> list[bytes]:
    """The texts of a row beside its payload, with their names."""
    found = [b"detail", row.detail.encode()]
    for name, nothing in texts.UNWRITTEN.items():
        if (text := getattr(row, name)) != nothing:
            found += (name.encode(), text.encode())
    return found
