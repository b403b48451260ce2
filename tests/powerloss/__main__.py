"""Power losses by the thousand, and a verdict: ``python -m tests.powerloss --images 5000``.

Threads work on a SQLite file through qml, and all that SQLite does to its files is recorded. Then,
for many moments of that, the files are made as a power loss at that moment may leave them; stock
SQLite checks them, qml opens them, and what is there is held against what had been acknowledged.
Exit code 0: nothing was found that must not be. 1: something was; that ends it, and the files are
kept. A seed fixes what each thread does, the moments and what is lost, not how the threads take
turns. ``disk.py`` says what a disk may do.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from qml.drivers.sqlite.library import has_wal_reset_bug, library

from .disk import Image
from .mutants import MUTANTS
from .recording import record
from .report import Tally, report
from .trial import Trial
from .workload import Plan

EACH = 100
"""Power losses of one recorded run."""


def main(arguments: list[str] | None = None) -> int:
    """Record, lose, judge, print; the exit code."""
    options = _options(arguments)
    begun, tally = time.monotonic(), Tally()
    run(tally, options)
    took = time.monotonic() - begun
    print(
        f"SQLite {library.sqlite_version}, durability {options.durability}, seed {options.seed}: "
        f"{tally.losses} power losses in {took:.0f} s\n{report(tally)}"
    )
    if tally.faults and not options.mutant:
        print(f"The files are in {_kept(tally.evidence)}")
    return 1 if tally.faults else 0


def run(tally: Tally, options: argparse.Namespace) -> None:
    """Run after run, most on what a power loss in the one before left. The first fault ends it."""
    rng, life = random.Random(options.seed), None
    while tally.losses < options.images:
        plan = _plan(options, rng, tally.runs)
        events, _ = record(plan, options.mutant, life and life.files)
        trial = Trial(events, life, full=options.durability == "full")
        tally.note_run(trial)
        life, next_life = None, rng.randrange(EACH * 5 // 4)
        for number, loss in enumerate(trial.losses(rng, min(EACH, options.images - tally.losses))):
            tally.note(trial, loss)
            if loss.faults:
                tally.evidence = loss.files
                return
            if number == next_life:
                life = loss.life


def _kept(files: Image) -> str:
    folder = tempfile.mkdtemp(prefix="qml-powerloss-")
    for name, content in files.items():
        Path(folder, name).write_bytes(content)
    return folder


def _plan(options: argparse.Namespace, rng: random.Random, number: int) -> Plan:
    # With the fault that old ones have, several connections may damage the file.
    old = has_wal_reset_bug(library.sqlite_version_info)
    return Plan(
        seed=rng.randrange(2**32),
        durability=options.durability,
        start=2_000_000_000.0 + 10 * options.steps * number,  # later than the run before ended
        storages=1 if old else rng.choice((1, 2)),
        steps=options.steps,
        checkpoint=options.checkpoint or rng.choice((None, 10, 100)),
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.powerloss", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000, help="power losses")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--durability", choices=("full", "normal"), default="full")
    parser.add_argument("--steps", type=int, default=30, help="of each thread between two openings")
    parser.add_argument("--checkpoint", type=int, help="pages of the log; default: 10, 100 or 1000")
    parser.add_argument(
        "--mutant", choices=MUTANTS, default="", help="break qml, or the disk, first"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
