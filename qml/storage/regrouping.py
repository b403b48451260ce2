"""What a copy has to carry over besides rows and records: the tallies that rows count for."""

import json
from collections.abc import Iterable

from ..seam.rows import Row
from ..seam.tallies import is_dormant
from . import comparing
from .storage import Storage


def copy_tallies(source: Storage, target: Storage) -> None:
    """Have the tallies of the copied rows stand as they do in ``source``: the rows have told how
    many are left. Doing it again changes nothing."""
    for name in _names(comparing.rows(source.driver)):
        tally = source.driver.tally(name)
        if tally is None:
            target.driver.tally(name, False)  # over there: nobody waits for it
        else:
            target.driver.tally(name, tally.open, tally.failed)


def _names(rows: Iterable[Row]) -> set[str]:
    found: set[str] = set()
    for row in rows:
        if row.awaits is not None and is_dormant(row):
            found.add(row.awaits)
        if row.counts is not None and row.finished_at is None:
            found.update(json.loads(row.counts))
    return found
