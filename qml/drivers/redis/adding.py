"""The order of add.lua: new rows that reserve no key, and are in no lane and nobody's tally.

Where such rows belong is said here in the words of places.lua. It is asked once for all that have
it in common, as one task's jobs have: what is left for each is its id, its moment and its texts.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from ...seam.alike import in_common
from ...seam.rows import Row
from . import texts

_AT = {column: place for place, column in enumerate(Row._fields)}
_VERSION, _CREATED, _TEXTS = _AT["version"], _AT["created_at"], _AT["detail"]
_DUE, _EXPIRES, _RIPE = _AT["due_at"], _AT["expires_at"], -2
_OF_OTHERS = [
    _AT[column]
    for column in ("lease_until", "finished_at", "purge_at", "lane", "permit", "counts", "awaits")
]

RANKS = 2**31
"""Less a row's priority it is its rank, see rows.lua."""

MOST = 100_000
"""Rows of one order: a server takes a million words at once."""


class Kind(NamedTuple):
    """What new rows share: their columns before and after the moment of their creation, and where
    they belong, as add.lua takes it."""

    head: str
    tail: str
    places: Sequence[bytes]


def words(rows: Sequence[Row]) -> list[bytes] | None:
    """The order; None = they need more: one has others to do with, or stands in another's way."""
    many = len(rows)
    if many > MOST or (many > 1 and len({row.id for row in rows}) < many):
        return None
    found = [b"%d" % many, *[row.id.encode() for row in rows]]
    for run in _runs(rows):
        row = run[0]
        kind = _kind(row[_VERSION:_CREATED], row[_CREATED + 1 : _TEXTS])
        if kind is None:
            return None
        columns = f"{kind.head}{texts.moment(row.created_at)}{kind.tail}"
        others = _texts(row)
        found += (b"%d" % len(run), columns.encode(), *kind.places, b"%d" % (len(others) // 2))
        found += (*others, *[row.payload.encode() for row in run])
    return found


def _runs(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    if len(rows) == 1:
        yield rows
    else:
        for _, run in groupby(rows, in_common):
            yield [*run]


@lru_cache(100)
def _kind(before: tuple[object, ...], after: tuple[object, ...]) -> Kind | None:
    """Of the columns of a row before and after its creation."""
    row = Row._make((None, "", *before, 0, *after, *[""] * (len(Row._fields) - _TEXTS)))
    if row.key_held or row.due_at is None or any(row[place] is not None for place in _OF_OTHERS):
        return None
    columns = texts.columns(row)
    columns[-2:] = ["1" if row.due_at <= 0 else False, "1" if row.batch is not None else False]
    head, tail = texts.dumps(columns[_VERSION:_CREATED]), texts.dumps(columns[_CREATED + 1 :])
    sets = _sets(row, columns)
    letters = [word.encode() for each in sets.items() for word in each]
    places = [_total(row).encode(), b"%d" % len(sets), *letters]
    return Kind(f'{head[1:-1].decode()},"', f'",{tail[1:].decode()}', places)


def _sets(row: Row, columns: texts.Texts) -> dict[str, str]:
    """The sets of such rows, and the letters their members begin with."""
    queue, rank = row.queue, f"{RANKS - row.priority:0{texts.RANK}d}"
    sets = {"all": "", f"state:{row.state}": "", f"of:{_length(queue)} {queue}{row.method}": ""}
    if columns[_RIPE]:
        sets |= {"ready": rank, f"ready:{queue}": rank}
    else:
        sets["waiting"] = columns[_DUE]
    if row.expires_at is not None:
        sets["expiring"] = columns[_EXPIRES]
    if row.batch is not None:
        sets["batched"] = texts.grouped(row.batch) + texts.grouped(row.state)
    return sets


def _total(row: Row) -> str:
    """What such rows are counted under."""
    letters = "r" if row.due_at is not None and row.due_at <= 0 else "w"
    letters += "e" * (row.expires_at is not None) + "b" * (row.batch is not None)
    lengths = f"{_length(row.state)} {_length(row.queue)}"
    return f"{letters} {lengths} {row.state}{row.queue}{row.method}"


def _length(name: str) -> int:
    return len(name.encode())


def _texts(row: Row) -> list[bytes]:
    """The texts of a row beside its payload, with their names."""
    found = [b"detail", row.detail.encode()]
    for name, nothing in texts.UNWRITTEN.items():
        if (text := getattr(row, name)) != nothing:
            found += (name.encode(), text.encode())
    return found
