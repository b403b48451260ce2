"""Tallies: how many rows of a group have not ended, and who waits for it."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .rows import PROCESSING, Obstacle, Row


class Parents(NamedTuple):
    """The row at ``index`` of an insert waits for the rows with these ids; None = for a tally that
    is to be there already."""

    index: int  # type: ignore[assignment]  # hides the method of tuples, which nobody needs
    ids: tuple[str, ...] | None


class Tally(NamedTuple):
    """How many of the rows that count for it have not finished, whether more are to come, and how
    many finished otherwise than well."""

    left: int
    open: bool
    failed: int


def names(counts: str | None) -> list[str]:
    """The tallies that a row ``counts`` for. A text that is damaged names none."""
    if not counts:
        return []
    try:
        found = json.loads(counts)
    except (ValueError, RecursionError):
        return []
    is_list = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return found if is_list else []


def missing(
    rows: Sequence[Row], parents: Sequence[Parents], is_there: Callable[[str], bool]
) -> list[Obstacle]:
    """What stands in the way of rows that wait for a tally which has to be there already."""
    wanted = ((one.index, rows[one.index].awaits or "") for one in parents if one.ids is None)
    return [Obstacle(index, "tally", name) for index, name in wanted if not is_there(name)]


def is_dormant(row: Row) -> bool:
    """Whether the row waits for a tally: it is not due, and neither runs nor has finished."""
    return row.due_at is None and row.finished_at is None and row.state != PROCESSING


def woken(row: Row, failed: int) -> Row:
    """A dormant row once what it waits for is over, with so many that failed."""
    expires_at = 0 if failed and row.needs_all else row.expires_at
    return row._replace(due_at=0, expires_at=expires_at)
