"""Rates of enqueueing and draining: qml beside the bare driver of its store and beside others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

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

SHORT = {
    "enqueue": "enqueue",
    "enqueue_threads": "by 8 threads",
    "enqueue_many": "of 1,000",
    "drain": "drain",
}
"""The same as the head of a column."""

KEPT = {
    "qml": ("state, value, times, attempts, 7 days", "back within 2 s on one machine, else 32 s"),
    "bare": ("state and value, by the driver alone in batches of 100", "nobody looks"),
}
"""Of the two that are no peers: what is kept of a job, and what becomes of a killed worker's."""

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
        some = effort._replace(
            size=max(1, round(effort.size * peers.PEERS[name].kinds[store.kind]))
        )
        yield name, Turn(name, row, some, peers.python())


def beside(store: Store, found: Rates) -> str:
    """A table of one store: each contestant in a line, and what qml is of it; with what each keeps
    of a job."""
    names = dict.fromkeys(name for rates in found.values() for name in rates)
    head = ["jobs/s"]
    for row in found:
        head += [SHORT[row], "qml is"]
    rows = [[name, *_cells(name, found)] for name in names]
    facts = table(f"{store.name}: {store.facts()}", head, rows)
    return facts + "".join(f"{line}\n" for line in _notes(names))


def _cells(name: str, found: Rates) -> Iterator[str]:
    for rates in found.values():
        yield rate(rates[name]) if name in rates else "-"
        other = name in rates and name != "qml"
        yield share(rates["qml"], rates[name]) if other else ""


def _notes(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        keeps, killed = KEPT.get(name) or peers.PEERS[name][1:3]
        yield f"  {name} keeps {keeps}; jobs of a killed worker: {killed}"


def overview(stores: Sequence[Store], found: Sequence[Rates]) -> str:
    """A table of qml on all stores."""
    rows = [[ROWS[row], *(rate(rates[row]["qml"]) for rates in found)] for row in ROWS]
    return table("qml on each", ["jobs/s", *(store.name for store in stores)], rows)
