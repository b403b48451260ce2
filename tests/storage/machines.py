"""Any sequence of operations, for a while, counted: ``python -m tests.storage.machines``.

StorageMachine on the tests' own stores, against the oracle. Exit code 1 = a storage did what the
oracle does not; the shortest steps that lead there are printed.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from qml import connect
from qml.testing import StorageMachine
from qml.testing.machine import usual_settings
from qml.testing.namespaces import namespace
from tests.storage.stores import KINDS

ROUND = 20
"""Sequences between two looks at the time."""


TRIED: Counter[str] = Counter()


class Counted(StorageMachine):
    """Counts its sequences, and the operations that it asks oracle and storage."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        TRIED["sequences"] += 1

    def _ask(self, verb, *arguments, **keywords):
        TRIED["operations"] += 1
        return super()._ask(verb, *arguments, **keywords)

    def _compare(self):
        TRIED["comparisons of all that is stored"] += 1
        super()._compare()


def main(arguments=None):
    """Run, print what was tried; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.storage.machines", description=__doc__)
    parser.add_argument("--store", choices=KINDS, default="memory")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args(arguments)
    some = usual_settings(
        max_examples=ROUND, stateful_step_count=40, database=None, derandomize=False
    )
    TRIED.clear()
    with tempfile.TemporaryDirectory() as folder:
        make = partial(_storage, KINDS[given.store](Path(folder)), Path(folder))
        until = time.monotonic() + given.seconds
        try:
            while time.monotonic() < until:
                Counted.run(make, settings=some)
        except AssertionError as found:
            print(found, *getattr(found, "__notes__", ()), "FAILED", sep="\n")
            return 1
    tried = ", ".join(f"{count:,} {name}" for name, count in TRIED.items())
    print(f"{given.store}: {tried}. PASSED")
    return 0


def _storage(config, folder, clock):
    """A store of its own for each sequence, removed when the machine closes it."""
    stack = ExitStack()
    storage = connect(stack.enter_context(namespace(config, folder)), clock=clock)
    stack.callback(storage.close)
    storage.close = stack.close
    return storage


if __name__ == "__main__":
    sys.exit(main())
