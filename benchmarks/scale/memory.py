"""How much memory a server takes while it runs very many jobs."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from ..contest import child
from ..stores import Store
from ..table import table
from . import lasting
from .lasting import PARTS

GROWTH = 1.05
"""What a server may take at the end, to what it took after a fifth of the jobs."""


class Size(NamedTuple):
    """How many jobs, on SQLite and elsewhere."""

    sqlite: int
    others: int


SIZES = {
    "quick": Size(200, 200),
    "usual": Size(20_000, 20_000),
    "long": Size(1_000_000, 200_000),
}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table for each store; whether it stays flat, where enough was done to
    tell."""
    kept = True
    for store in stores:
        jobs = size.sqlite if store.kind == "sqlite" else size.others
        taken = measure(store, jobs)
        rows = [[f"{jobs * part // PARTS:,}", f"{memory:.1f}"] for part, memory in enumerate(taken)]
        print(table(f"{store.name}: jobs run by one server", ["", "MiB"], rows), flush=True)
        kept = kept and (jobs < 200_000 or taken[-1] <= GROWTH * taken[PARTS // 5])
    print(f"Memory is {'' if kept else 'NOT '}flat\n", flush=True)
    return kept


def measure(store: Store, jobs: int) -> list[float]:
    """The MiB of a process that has nothing but qml, before any job and after each tenth."""
    with store.new() as url, child(url, lasting.__name__, str(jobs)) as process:
        answer, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the server failed on {store.name}: see above")
    found: list[float] = json.loads(answer)
    return found
