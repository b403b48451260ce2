"""Two stores side by side: the same jobs in the same order, or what differs."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import chain, islice
from typing import NamedTuple

from ..seam.driver import Driver
from ..seam.rows import After, Row

MOST_ROWS = 500
MOST_TEXT = 4_000_000
"""A page has at most so many rows, and about so many characters if they are like those before."""

FIRST_ROWS = 8

NOT_COPIED = ("server/", "drain/", "copy/", "activity/")
"""Records that belong to a store and not to its jobs begin so: who works there, what they did."""

Tell = Callable[[int], None]
"""Is told, once a page, how many rows there were so far."""


class Kind(StrEnum):
    """In what way something is not the same in two stores."""

    DIFFERS = "differs"  # on both sides, with other contents
    ONLY_FROM = "only in FROM"
    ONLY_TO = "only in TO"
    PLACE = "at another place"  # on both sides, elsewhere in the order of insertion


class Difference(NamedTuple):
    """One job, or one record, that is not the same in two stores. ``columns``: what differs."""

    of: str  # "job" or "record"
    name: str
    kind: Kind
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        which = f": {', '.join(self.columns)}" if self.columns else ""
        return f"{self.of} {self.name} {'is ' * (self.kind != Kind.DIFFERS)}{self.kind}{which}"


def pages(driver: Driver, seq: int = 0) -> Iterator[list[Row]]:
    """All rows after ``seq``, oldest first, a page at a time, until there is none."""
    limit = FIRST_ROWS
    while page := driver.scan(After(seq, limit)):
        seq, text = page[-1].seq or 0, sum(map(_text_of, page))
        yield page
        limit = max(1, min(MOST_ROWS, 2 * limit, MOST_TEXT * len(page) // (text + 1)))


def _text_of(row: Row) -> int:
    return len(row.payload or "") + len(row.detail) + len(row.failures) + len(row.metadata)


def rows(driver: Driver, tell: Tell = lambda _: None) -> Iterator[Row]:
    """All rows, oldest first, one by one; a page of them in memory."""
    seen = 0
    for page in pages(driver):
        yield from page
        seen += len(page)
        tell(seen)


def as_copied(row: Row) -> Row:
    """The row as another store gets it: a payload that a damaged store has lost is empty there,
    and reads as damaged, too."""
    return row._replace(seq=None, payload=row.payload or "")


def differences(source: Driver, target: Driver, tell: Tell) -> Iterator[Difference]:
    """What is not the same in ``target``, walking through both in step."""
    ours, theirs = rows(source, tell), rows(target)
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        found = difference(source, target, mine, other)
        if found is not None:
            yield found
        # Out of order, both are elsewhere: go on behind both.
        if found is None or found.kind is not Kind.ONLY_TO:
            mine = next(ours, None)
        if found is None or found.kind is not Kind.ONLY_FROM:
            other = next(theirs, None)


def difference(
    source: Driver, target: Driver, mine: Row | None, other: Row | None
) -> Difference | None:
    """How the rows that stand at one place of two stores differ; None = they are the same."""
    if mine is not None and other is not None and mine.id == other.id:
        return _of_contents(mine, other)
    if other is not None and source.load([other.id]) == [None]:
        return Difference("job", other.id, Kind.ONLY_TO)
    if mine is not None and target.load([mine.id]) == [None]:
        return Difference("job", mine.id, Kind.ONLY_FROM)
    moved = mine or other
    return moved and Difference("job", moved.id, Kind.PLACE)


def _of_contents(mine: Row, other: Row) -> Difference | None:
    if mine[1:] == other[1:] or as_copied(mine) == as_copied(other):  # the first is the quick one
        return None
    pairs = zip(Row._fields, as_copied(mine), as_copied(other), strict=True)
    columns = tuple(name for name, ours, theirs in pairs if ours != theirs)
    return Difference("job", mine.id, Kind.DIFFERS, columns)


def records(driver: Driver) -> dict[str, str]:
    """The bodies of the records that belong to the jobs, by name."""
    every = driver.list("")
    return {one.name: one.body for one in every if not one.name.startswith(NOT_COPIED)}


def of_records(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[Difference]:
    """Which records are not the same."""
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield Difference("record", name, Kind.ONLY_FROM)
        elif name not in ours:
            yield Difference("record", name, Kind.ONLY_TO)
        elif ours[name] != theirs[name]:
            yield Difference("record", name, Kind.DIFFERS)


def first_differences(source: Driver, target: Driver, most: int, tell: Tell) -> list[Difference]:
    """At most ``most`` of all that is not the same."""
    first = of_records(records(source), records(target))
    return list(islice(chain(first, differences(source, target, tell)), most))
