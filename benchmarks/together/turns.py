"""Calls take turns, so that a ratio of two says more than either, on a machine that others use.

What counts of each is its lower quartile: other work on the machine only ever adds to it.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..stores import Store
from ..table import table

Taken = Mapping[str, float]
"""Milliseconds of each call, by its name. The others are compared with the first."""


def quartiles(calls: Mapping[str, Callable[[], float]], times: int) -> dict[str, float]:
    """The lower quartile of what each call says it took. A first turn, which warms up, is not
    counted."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times + 1):
        for name, call in calls.items():
            found[name].append(call())
    return {name: _lower(taken[1:]) for name, taken in found.items()}


def _lower(taken: Sequence[float]) -> float:
    if len(taken) == 1:
        return taken[0]
    return statistics.quantiles(taken, n=4, method="inclusive")[0]


def beside(title: str, stores: Sequence[Store], found: Sequence[Taken]) -> str:
    """A table with a column for each store: what the first call took, and the ratio of each other
    one to it."""
    names = dict.fromkeys(name for taken in found for name in taken)
    rows = [[name, *_cells(name, found)] for name in names]
    return table(title, ["", *(store.name for store in stores)], rows)


def _cells(name: str, found: Sequence[Taken]) -> Iterator[str]:
    for taken in found:
        first = next(iter(taken))
        if name == first:
            yield f"{taken[name]:.2f} ms"
        else:
            yield f"{taken[name] / taken[first]:.2f} x" if name in taken else "-"
