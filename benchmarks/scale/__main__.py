"""``python -m benchmarks.scale --store NAME``: claims under hard conditions."""

import argparse
import os
import sys

from ..stores import SERVERS, kind_of, opened
from . import beside, crowd, snapshot

NAMES = ("sqlite", "postgres", "redis")


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 = a limit was not kept."""
    options = _options(arguments)
    with opened([options.store], [options.url] if options.url else []) as [store]:
        print(f"{store.name}: {store.facts()}; load {os.getloadavg()[0]:.1f}\n", flush=True)
        kept = crowd.show(store, crowd.Size(options.clients, options.due, options.crowds))
        if store.kind == "postgresql":
            snapshot.show(store, options.snapshot)
        kept = beside.show(store, options.few, options.many, options.times) and kept
    return 0 if kept else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--store", choices=NAMES, default="sqlite")
    parser.add_argument("--url", help="of a server to use, not our own")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=30, help="calls of each kind")
    parser.add_argument("--clients", type=int, default=8, help="processes that claim at once")
    parser.add_argument("--due", type=int, default=400, help="jobs that fall due for them")
    parser.add_argument("--crowds", type=int, default=5, help="how often they do")
    parser.add_argument("--snapshot", type=int, default=20_000, help="jobs done beside an old one")
    options = parser.parse_args(arguments)
    if options.url:
        kinds = {"postgresql": "postgres", "redis": "redis"}
        if kind_of(options.url) not in SERVERS:
            parser.error(f"--url is for a server: {' or '.join(SERVERS)}://")
        options.store = kinds[kind_of(options.url)]
    return options


if __name__ == "__main__":
    sys.exit(main())
