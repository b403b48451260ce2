"""Whether a store's counters and indexes say what its records say."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set

from ...seam.driver import Driver
from ...seam.rows import Available, Lapsed, Page, Row
from ..laws.calls import is_held
from ..laws.sharing import lane_of, lives, paced
from .sharing import Sharing


def differences(
    driver: Driver, stored: Mapping[str, Row], shared: Sharing, now: int
) -> Iterator[str]:
    """What a driver answers at ``now``, where it is not what the ``stored`` rows say, and the calls
    that brought them there."""
    rows = sorted(stored.values(), key=lambda row: -(row.seq or 0))
    yield from _counters(driver, rows)
    yield from _lists(driver, rows)
    yield from _by_time(driver, rows, shared.paused, now)
    yield from _keys(driver, rows)
    yield from _groups(driver, rows, shared)
    yield from _limits(driver, rows, shared, now)


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


def _by_time(driver: Driver, rows: list[Row], paused: Set[str], now: int) -> Iterator[str]:
    due = [row for row in rows if row.due_at is not None and row.due_at <= now]
    free = [row for row in due if not is_held(row, now) and row.queue not in paused]
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


def _groups(driver: Driver, rows: list[Row], shared: Sharing) -> Iterator[str]:
    for name in shared.groups.keys() | {row.awaits for row in rows if row.awaits is not None}:
        found, expected = driver.tally(name), shared.groups.get(name)
        if (found and tuple(found)) != (expected and tuple(expected)):
            yield f"{name} has {found}, the records say {expected}"


def _limits(driver: Driver, rows: list[Row], shared: Sharing, now: int) -> Iterator[str]:
    permits = sorted({row.permit for row in rows if row.permit is not None})
    lanes = {one.pace: one for one in map(lane_of, rows) if one.pace in shared.starts}
    if not permits and not lanes:
        return
    used = driver.used(now, permits, [pace or "" for pace in lanes])
    for permit, found in zip(permits, used.live, strict=True):
        live = [row.id for row in rows if row.permit == permit and lives(row, now)]
        if found != len(live):
            yield f"of {permit} {found} are live, the records say {live}"
    for (pace, lane), time in zip(lanes.items(), used.paced, strict=True):
        expected = paced(lane, shared.starts[pace or ""])
        if max(time, now) != max(expected, now):  # what is over may be forgotten
            yield f"the starts of {pace} are given out up to {time}, the claims say {expected}"


def _ids(rows: list[Row]) -> list[str]:
    return [row.id for row in rows]
