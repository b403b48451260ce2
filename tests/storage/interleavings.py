"""All schedules of two hands on real stores: ``python -m tests.storage.interleavings``.

``--store sqlite`` (again for more; default: all four), ``--pairs N`` for a sample by ``--seed``,
``--triples N`` for so many schedules of three hands at random, and the mutants of
tests/testing/interleaving_faults.py with ``--faults``. Servers are started, or named by
QML_TEST_POSTGRES_URL and QML_TEST_REDIS_URL. Exit code 1 = a schedule was at fault; its story is
printed, and how to replay it.
"""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from qml.storage.connect import connect
from qml.testing.interleaving import check_interleavings
from tests.storage.stores import KINDS
from tests.testing import interleaving_faults

OPTIONS = {"sqlite": {"durability": "normal"}}
"""No power is lost here, and a flush for each of some 100,000 writes takes most of the time."""


def main(arguments=None):
    """Check each store, print what was tried; the exit code."""
    options = _options(arguments)
    for kind in options.store or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            if not _passes(kind, partial(_storage, kind, Path(folder)), options):
                return 1
    return _count_faults() if options.faults else 0


def _storage(kind, folder, clock):
    return connect(KINDS[kind](folder), clock=clock, **OPTIONS.get(kind, {}))


def _passes(name, make, options):
    begun = time.monotonic()
    try:
        tally = check_interleavings(
            make, pairs=options.pairs, triples=options.triples, seed=options.seed
        )
    except AssertionError as fault:
        print(f"{name}, seed {options.seed}: FAILED\n{fault}")
        return False
    seconds = time.monotonic() - begun
    print(f"{name}, seed {options.seed}: {tally}; {seconds:.0f} s. PASSED", flush=True)
    return True


def _count_faults():
    """How many of the storages with a gap are found; 1 unless all are."""
    found = 0
    for fault in interleaving_faults.FAULTS:
        try:
            check_interleavings(fault)
            print(f"{fault.__name__}: NOT FOUND")
        except AssertionError as story:
            found += 1
            print(f"{fault.__name__}: {str(story).splitlines()[-1]}", flush=True)
    print(f"faults in gaps found: {found} of {len(interleaving_faults.FAULTS)}")
    return int(found < len(interleaving_faults.FAULTS))


def _options(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.storage.interleavings")
    parser.add_argument("--store", action="append", choices=KINDS, help="default: all")
    parser.add_argument("--pairs", type=int, help="a sample of so many; default: all")
    parser.add_argument("--triples", type=int, default=0, help="so many, at random")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--faults", action="store_true", help="find the broken storages besides")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
