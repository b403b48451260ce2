"""The statement that inserts a row: it names the columns that have a value, and no others.

Python takes long to bind a None (0.7 us), and few columns of a new row have a value.
"""

import functools
from itertools import compress, repeat
from operator import is_not, itemgetter

from ...seam.rows import Row
from . import tallies
from .statements import SQL

_COLUMNS = (*Row._fields[:-2], "ready")  # payload and notes stand apart
_COUNTS = _COLUMNS.index("counts")
_SELDOM = (
    *("worker", "locked_by", "lease_until", "finished_at", "purge_at", "expires_at"),
    *("unique_key", "max_retries", "timeout_seconds", "job_type"),
    *("lane", "permit", "batch", "counts", "awaits"),
)
_USUAL = [column not in _SELDOM for column in _COLUMNS]
_NONE_OF_THEM = (None,) * len(_SELDOM)

_seldom = itemgetter(*map(_COLUMNS.index, _SELDOM))
_usual = itemgetter(*(index for index, usual in enumerate(_USUAL[:-1]) if usual and index))


@functools.lru_cache
def _statement(there: tuple[bool, ...]) -> str:
    names = [*compress(_COLUMNS, there)]
    marks = ", ".join("?" * len(names))
    return SQL["insert_job"].replace("{names}", ", ".join(names)).replace("{marks}", marks)


_PLAIN = _statement(tuple(_USUAL))


def insertion(row: Row, seq: int) -> tuple[str, tuple[object, ...]]:
    """The statement for a row with this number, and its values. 0.9 us where a row has nothing
    that is seldom there, else 2."""
    ready = 1 if row.due_at == 0 else 0
    if _seldom(row) == _NONE_OF_THEM:
        return _PLAIN, (seq, *_usual(row), ready)
    values: list[object] = [seq, *row[1:-2], ready]
    if row.counts is not None:
        values[_COUNTS] = tallies.stored(row.counts)
    there = (*map(is_not, values, repeat(None)),)
    return _statement(there), (*compress(values, there),)
