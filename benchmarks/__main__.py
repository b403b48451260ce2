"""``python -m benchmarks``: rates, latency and the cost of idling, on this machine, now."""

import argparse
import os
import platform
import sys
from pathlib import Path

from qml import __version__

from . import aims, chart, idle, latency, peers, rates
from .loops import Effort
from .stores import SERVERS, STORES, kind_of, opened

QUICK = {"seconds": 0.01, "size": 50, "rounds": 1, "latencies": 3, "idle": 0.1, "schedules": 3}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = _options(arguments)
    print(
        f"qml {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}; 200-byte payload, medians of {options.rounds}\n"
    )
    effort = Effort(options.seconds, options.size)
    with opened(options.stores, options.url) as stores:
        named = dict(zip(options.stores, stores, strict=True))
        found = {}
        for key, store in named.items():
            found[key] = rates.measure(store, effort, options.rounds)
            print(rates.beside(store, found[key]), flush=True)
        print(rates.overview(stores, [*found.values()]))
        print(aims.shown(named, found), flush=True)
        if options.chart:
            text = chart.svg("drain", f"{rates.ROWS['drain']}: jobs per second", named, found)
            options.chart.write_text(text, encoding="utf-8")
        latency.show(stores, options.latencies)
        idle.show(stores, options.schedules, options.idle)
    if missing := set(peers.PEERS) - peers.there():
        print(f"Left out: {', '.join(sorted(missing))}; python -m benchmarks.peers brings them")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=[*STORES], metavar="NAME")
    parser.add_argument("--url", action="append", default=[], help="a server to use, not our own")
    parser.add_argument("--seconds", type=float, default=0.7, help="how long each enqueues")
    parser.add_argument("--size", type=int, default=10_000, help="jobs that are drained")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken over these")
    parser.add_argument("--latencies", type=int, default=150, help="jobs whose start is timed")
    parser.add_argument("--schedules", type=int, default=1_000, help="those of the idle server")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds a server sits idle")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the drain as SVG there")
    parser.add_argument(
        "--quick", action="store_true", help="a little of all, to see that it works"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    for url in options.url:
        if kind_of(url) not in SERVERS:
            parser.error(f"--url is for a server: {' or '.join(SERVERS)}://")
    return options


if __name__ == "__main__":
    sys.exit(main())
