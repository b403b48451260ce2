"""What qml wants to be, in ratios of one run, and how far it is from it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .rates import ROWS, Rates
from .stores import Store
from .table import share, table


class Aim(NamedTuple):
    """On a store, in a row of ``rates.ROWS``: so many times as fast as another, or as qml itself in
    another row."""

    store: str
    row: str
    times: float
    other: str
    other_row: str | None = None


AIMS = (
    Aim("sqlite", "drain", 6.0, "huey"),
    Aim("sqlite-normal", "drain", 2.5, "huey"),
    Aim("sqlite", "drain", 0.30, "bare"),
    Aim("postgres", "drain", 1.7, "pgqueuer"),
    Aim("postgres", "drain", 4.0, "oban"),
    Aim("postgres", "drain", 0.25, "bare"),
    Aim("redis", "drain", 4.0, "huey"),
    Aim("redis", "drain", 4.0, "dramatiq"),
    Aim("redis", "drain", 2.0, "spinach"),
    Aim("sqlite", "enqueue", 0.75, "bare"),
    Aim("sqlite-normal", "enqueue", 0.35, "bare"),
    Aim("postgres", "enqueue", 0.60, "bare"),
    Aim("redis", "enqueue", 0.60, "bare"),
    Aim("redis", "enqueue_many", 2.5, "rq"),
    Aim("postgres", "enqueue_many", 2.5, "procrastinate"),
    Aim("postgres", "enqueue_many", 1.0, "pgqueuer"),
    Aim("sqlite", "enqueue_threads", 2.5, "qml", "enqueue"),
)


def lines(found: Mapping[str, Rates]) -> Iterator[Sequence[str]]:
    """A line for each aim whose parts were measured; ``found`` goes by the key of the store."""
    for aim in AIMS:
        rates = found.get(aim.store, {})
        mine = rates.get(aim.row, {}).get("qml")
        its = rates.get(aim.other_row or aim.row, {}).get(aim.other)
        if mine and its:
            yield (
                f"{aim.store}: {ROWS[aim.row]}",
                aim.other if aim.other_row is None else f"{aim.other}, {ROWS[aim.other_row]}",
                share(aim.times, 1.0),
                share(mine, its),
                "yes" if mine >= aim.times * its else "no",
            )


def shown(stores: Mapping[str, Store], found: Mapping[str, Rates]) -> str:
    """The table of aims."""
    rows = [*lines({key: found[key] for key in stores})]
    return table("Aims", ["qml", "of", "aim", "now", "met"], rows) if rows else ""
