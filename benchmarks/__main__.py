"""``python -m benchmarks``: rates, latency and the cost of idling, on this machine, now."""

import argparse
import os
import platform
import sys

from qml import __version__
from qml.drivers.sqlite.library import library

from . import idle, latency, rates


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--durability", choices=("full", "normal", "both"), default="both")
    parser.add_argument("--size", type=int, default=20_000, help="jobs that are drained")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken over these")
    parser.add_argument("--latencies", type=int, default=300, help="jobs whose start is timed")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds a server sits idle")
    options = parser.parse_args(arguments)
    print(
        f"qml {__version__}, Python {platform.python_version()}, SQLite {library.sqlite_version}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
    )
    both = ("full", "normal")
    for durability in both if options.durability == "both" else (options.durability,):
        rates.show(durability, options.size, options.rounds)
        latency.show(durability, options.latencies)
    idle.show(options.idle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
