"""The memory driver's tallies: how many rows are left of each."""

from collections.abc import Iterable

from ...seam.rows import SUCCEEDED, Row
from ...seam.tallies import Tally, is_dormant, names


class Tallies:
    """By name. Each change tells the tallies that are over by it, which are removed, and how many
    failed in them."""

    def __init__(self) -> None:
        self._known: dict[str, Tally] = {}

    def get(self, name: str) -> Tally | None:
        """How a tally stands."""
        return self._known.get(name)

    def make(self, name: str, tally: Tally) -> None:
        """Put in one that is not there."""
        self._known.setdefault(name, tally)

    def close_over(self, name: str, left: int, failed: int) -> None:
        """No more than these are to come. It may be there still from a row that was removed."""
        before = self._known.get(name, Tally(0, False, 0))
        self._known[name] = Tally(before.left + left, False, before.failed + failed)

    def inserted(self, row: Row) -> None:
        """One more is left of each tally that the row counts for; what it waits for is there."""
        if row.awaits is not None and is_dormant(row):
            self.make(row.awaits, Tally(0, True, 0))
        for name in names(row.counts) if row.finished_at is None else ():
            self.make(name, Tally(0, True, 0))
            self._add(name, 1, 0)

    def changed(self, before: Row, after: Row | None) -> Iterable[tuple[str, int]]:
        """A row has finished, is unfinished again, or was removed (None)."""
        if _is_left(before) == _is_left(after):
            return
        left, failed = (1, -_failed(before)) if _is_left(after) else (-1, _failed(after))
        for name in names(before.counts):
            yield from self._add(name, left, failed)

    def tell(self, name: str, more: bool | None, failed: int | None) -> Iterable[tuple[str, int]]:
        """Whether more are to come, and how many have failed so far; None = as it is."""
        if more:
            self.make(name, Tally(0, True, 0))
        if name in self._known:
            known = self._known[name]
            self._known[name] = Tally(
                known.left,
                known.open if more is None else more,
                known.failed if failed is None else failed,
            )
            yield from self._add(name, 0, 0)

    def _add(self, name: str, left: int, failed: int) -> list[tuple[str, int]]:
        tally = self._known.get(name)
        if tally is None:
            return []
        tally = Tally(tally.left + left, tally.open, tally.failed + failed)
        if tally.left > 0 or tally.open:
            self._known[name] = tally
            return []
        del self._known[name]
        return [(name, tally.failed)]


def _is_left(row: Row | None) -> bool:
    return row is not None and row.finished_at is None


def _failed(row: Row | None) -> int:
    return int(row is None or row.state != SUCCEEDED)
