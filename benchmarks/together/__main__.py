"""``python -m benchmarks.together``: limits, batches, keys, locks, steps, transactions, maps."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence

from qml import __version__

from ..stores import SERVERS, STORES, Store, kind_of, opened
from . import kept_back, maps, runs, ties
from .turns import Taken, beside

NAMES = ("memory", "sqlite", "postgres", "redis")

FULL = {"many": 1_000_000, "times": 100, "size": 2_000}
QUICK = {"many": 60, "times": 1, "size": 10}

Measure = Callable[[Store], Taken]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = _options(arguments)
    print(
        f"qml {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}; lower quartiles; what is compared takes turns\n"
    )
    with opened(options.stores, options.url) as stores:
        for store in stores:
            print(f"{store.name}: {store.facts()}")
        print()
        _show_kept_back(stores, options.many, options.times)
        for title, measure in _parts(options.size, options.times):
            print(beside(title, stores, [measure(store) for store in stores]), flush=True)
    return 0


def _show_kept_back(stores: Sequence[Store], many: int, times: int) -> None:
    found = [kept_back.measure(store, many, times) for store in stores]
    for title in found[0]:
        print(beside(title.capitalize(), stores, [each[title] for each in found]), flush=True)


def _parts(size: int, times: int) -> Iterator[tuple[str, Measure]]:
    few = max(1, times // 10)
    yield "Claim + finish of 10 jobs", lambda store: ties.ends(store, times)
    yield "Enqueue of one job", lambda store: ties.enqueues(store, times)
    yield "A lock taken and given back", lambda store: runs.locks(store, times)
    yield "A job, 8 threads", lambda store: runs.tasks(store, size, few)
    yield f"A result of {size:,}, 8 threads", lambda store: maps.measure(store, size, few)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.together", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=[*NAMES], metavar="NAME")
    parser.add_argument("--url", action="append", default=[], help="a server to use, not our own")
    parser.add_argument("--many", type=int, default=100_000, help="jobs that are kept back")
    parser.add_argument("--times", type=int, default=30, help="turns of each call")
    parser.add_argument("--size", type=int, default=400, help="jobs that a server does")
    parser.add_argument("--full", action="store_true", help="a million kept back, and more turns")
    parser.add_argument("--quick", action="store_true", help="a little, to see that it works")
    options = parser.parse_args(arguments)
    if options.full or options.quick:
        vars(options).update(FULL if options.full else QUICK)
    for url in options.url:
        if kind_of(url) not in SERVERS:
            parser.error(f"--url is for a server: {' or '.join(SERVERS)}://")
    return options


if __name__ == "__main__":
    sys.exit(main())
