"""Rates of enqueueing and draining: qml beside the bare driver of its store and beside others."""

from collections.abc import Iterator, Mapping, Sequence

from . import peers
from .contest import Turn, medians
from .loops import Effort
from .stores import Store
from .table import rate, share, table

ROWS = {
    "enqueue": "enqueue, one by one",
    "enqueue_threads": "enqueue, one by one, 8 threads",
    "enqueue_many": "enqueue_many of 1,000",
    "drain": "drain, 8 threads",
}
"""What is measured, by the name of its loop."""

BARE = ("sqlite", "postgresql", "redis")
"""The kinds of stores that there are without qml."""

Rates = Mapping[str, Mapping[str, float]]
"""By row, then by contestant; qml comes first."""


def measure(store: Store, effort: Effort, rounds: int) -> Rates:
    """All rows on one store."""
    return {row: medians(dict(_turns(store, row, effort)), store, rounds) for row in ROWS}


def _turns(store: Store, row: str, effort: Effort) -> Iterator[tuple[str, Turn]]:
    yield "qml", Turn("qml", row, effort)
    if store.kind in BARE:
        yield "bare", Turn("bare", row, effort)
    for name in peers.of(store.kind, row):
        some = effort._replace(size=max(1, round(effort.size * peers.PEERS[name].share)))
        yield name, Turn(name, row, some, peers.python())


def beside(store: Store, found: Rates) -> str:
    """A table of one store: qml, and what it is of each of the others."""
    names = dict.fromkeys(name for rates in found.values() for name in rates)
    head = ["jobs/s"]
    for name in names:
        head += [name] if name == "qml" else [name, f"qml of {name}"]
    rows = [[ROWS[row], *_cells(rates, names)] for row, rates in found.items()]
    return table(f"{store.name}: {store.facts()}", head, rows)


def _cells(rates: Mapping[str, float], names: Mapping[str, None]) -> Iterator[str]:
    for name in names:
        yield rate(rates[name]) if name in rates else "-"
        if name != "qml":
            yield share(rates["qml"], rates[name]) if name in rates else "-"


def overview(stores: Sequence[Store], found: Sequence[Rates]) -> str:
    """A table of qml on all stores."""
    rows = [[ROWS[row], *(rate(rates[row]["qml"]) for rates in found)] for row in ROWS]
    return table("qml on each", ["jobs/s", *(store.name for store in stores)], rows)
