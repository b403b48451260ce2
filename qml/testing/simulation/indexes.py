"""Whether a store's counters and indexes say what its records say."""

from collections import Counter
from collections.abc import Iterator, Mapping

from ...seam.driver import Driver
from ...seam.rows import Available, Lapsed, Page, Row
from ..laws.calls import is_held


def differences(driver: Driver, stored: Mapping[str, Row], now: int) -> Iterator[str]:
    """What a driver answers at ``now``, where it is not what the ``stored`` rows say."""
    rows = sorted(stored.values(), key=lambda row: -(row.seq or 0))
    yield from _counters(driver, rows)
    yield from _lists(driver, rows)
    yield from _by_time(driver, rows, now)
    yield from _keys(driver, rows)


def _counters(driver: Driver, rows: list[Row]) -> Iterator[str]:
    for column in ("state", "queue", "method"):
        expected = dict(Counter(getattr(row, column) for row in rows))
        found = driver.count(Page(), column)
        if found != expected:
            yield f"counts by {column} are {found}, the records say {expected}"


def _lists(driver: Driver, rows: list[Row]) -> Iterator[str]:
    pages = {Page(): rows}
    for row in rows:
        state, queue = Page(states=(row.state,)), Page(queue=row.queue)
        pages[state] = [other for other in rows if other.state == row.state]
        pages[queue] = [other for other in rows if other.queue == row.queue]
    for page, expected in pages.items():
        if driver.scan(page) != expected:
            yield f"{page} lists {_ids(driver.scan(page))}, the records say {_ids(expected)}"


def _by_time(driver: Driver, rows: list[Row], now: int) -> Iterator[str]:
    due = [row for row in rows if row.due_at is not None and row.due_at <= now]
    free = [row for row in due if not is_held(row, now)]
    free.sort(key=lambda row: (-row.priority, row.seq))
    found = driver.scan(Available(now))
    if found != free:
        yield f"available are {_ids(found)}, the records say {_ids(free)}"
    orphans = [row for row in rows if row.state == "processing" and not is_held(row, now)]
    found = driver.scan(Lapsed(now, len(rows) + 1))
    if sorted(found) != sorted(orphans):
        yield f"lapsed are {_ids(found)}, the records say {_ids(orphans)}"


def _keys(driver: Driver, rows: list[Row]) -> Iterator[str]:
    holders = {row.unique_key: row.id for row in rows if row.key_held}
    for key in {row.unique_key for row in rows if row.unique_key is not None}:
        if driver.holder(key) != holders.get(key):
            yield f"{key} is held by {driver.holder(key)}, the records say {holders.get(key)}"


def _ids(rows: list[Row]) -> list[str]:
    return [row.id for row in rows]
