"""Kill -9 at every commit point, and a verdict: ``python -m tests.crash.points --store sqlite``.

A process uses every writing operation of qml, and kills itself at the first point; another does so
at the second, and so on until the story has no further point. Exit code 0: nothing happened that
must not. 1: something did; each fault is printed with the number of its point, for ``--only``.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from ..report import verdict
from . import mutants, stores
from .instruments import DRIVERS
from .killing import Killing, Tally

STRIDE = 16


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, print; the exit code."""
    options = _options(arguments)
    if options.mutant:
        mutants.of(options.store)[options.mutant]()
    begun = time.monotonic()
    tally = _run(options)
    if options.list:
        print("\n".join(f"{number} {name}" for number, name in enumerate(tally.points, 1)))
    took = f"{time.monotonic() - begun:.0f} s ({sum(os.times()[:4]):.0f} s of processor time)"
    print(
        f"{options.store}: the story has {len(tally.points)} points; {tally.kills} kills in {took}"
    )
    if tally.kills or tally.faults:
        print(f"{_figures(tally)}\n{verdict(tally.faults, tally.kills)}")
    else:
        print("PASSED: the whole story was told, nobody was killed")
    if tally.numbers:
        numbers = " ".join(map(str, tally.numbers[:5]))
        mutant = f" --mutant {options.mutant}" if options.mutant else ""
        print(f"Again: python -m {__package__} --store {options.store}{mutant} --only {numbers}")
    return 1 if tally.faults else 0


def _run(options: argparse.Namespace) -> Tally:
    folder = Path(tempfile.mkdtemp(prefix="qml-points-", dir=_quick_folder()))
    try:
        with stores.opened(options.store, folder) as opened:
            killing = Killing(options.store, opened, folder)
            killing.kill(0)
            for number in _numbers(options, len(killing.tally.points)):
                if options.mutant and killing.tally.faults:
                    break  # it is found
                killing.kill(number)
            return killing.tally
    finally:
        shutil.rmtree(folder)


def _numbers(options: argparse.Namespace, points: int) -> Iterable[int]:
    """Which points, in which order. A mutant is found sooner by looking here and there first."""
    if options.only:
        return filter(None, options.only)
    if options.mutant:
        return (n for first in range(1, STRIDE + 1) for n in range(first, points + 1, STRIDE))
    return range(options.first, points + 1, options.every)


def _quick_folder() -> str | None:
    """A file system in memory: a kill takes nothing from the system's caches, so nothing depends
    on a disk here but the time (a run of the story: 20 ms instead of 100)."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _figures(tally: Tally) -> str:
    figures = {
        "killed between two calls": tally.between,
        "killed within a call": tally.whole + tally.partly + tally.nothing + tally.alike,
        "  all of it was there": tally.whole,
        "  a part, as the oracle has it": tally.partly,
        "  nothing was": tally.nothing,
        "  it changes nothing": tally.alike,
        **_of_flights(tally),
        "jobs left to the next process": tally.jobs,
        "which had the store open after": _spread(tally.opened),
    }
    return "\n".join(f"  {name:<30} {value}" for name, value in figures.items())


def _of_flights(tally: Tally) -> dict[str, int]:
    if not tally.in_flight:
        return {}
    return {"changes in flight": tally.in_flight, "  carried out": tally.carried_out}


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    return f"p50 {statistics.median(seconds) * 1000:.0f} ms, max {max(seconds) * 1000:.0f} ms"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.points", description=__doc__)
    parser.add_argument("--store", choices=DRIVERS, default="sqlite", help="a new one")
    parser.add_argument("--list", action="store_true", help="print all points")
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="these points; 0 = none")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="each K-th point")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the first of them")
    parser.add_argument("--mutant", help="break qml first; ends with the first fault")
    options = parser.parse_args(arguments)
    if options.mutant and options.mutant not in mutants.of(options.store):
        parser.error(f"--mutant: one of {', '.join(mutants.of(options.store))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
