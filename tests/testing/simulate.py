"""Long searches for what breaks several servers on one store: `python -m tests.testing.simulate`.

Decided by seeds, on the tests' own servers; prints what was tried. Exit code 1 = something was
found, and its seed and story are printed.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from qml import RetryPolicy, connect
from qml.testing.simulation import lives
from tests.storage.stores import KINDS

POLICIES = {
    "usual": RetryPolicy(),
    "hasty": RetryPolicy(max_retries=1, base=0),  # a retry is due at once
}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m tests.testing.simulate", description=__doc__)
    parser.add_argument("--store", choices=KINDS, default="memory")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first life; the next are next")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--retries", choices=POLICIES, default="usual")
    given = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="qml-simulation-"))
    try:
        tally = lives(
            maker(folder, given.store, POLICIES[given.retries]),
            seconds=given.seconds,
            seed=given.seed,
            servers=given.servers,
        )
    except AssertionError as found:
        print(found, *found.__notes__, "FAILED", sep="\n")
        return 1
    finally:
        shutil.rmtree(folder)
    print(f"{given.store}, {given.servers} servers, seeds from {given.seed}:", tally, sep="\n")
    print("PASSED: every law held after every call, and every job came to an end")
    return 0


def maker(folder, store, policy):
    """Fresh stores, one at a time: the files of the one before are removed."""

    def make(clock):
        shutil.rmtree(folder)
        folder.mkdir()
        return connect(KINDS[store](folder), clock=clock, retry=policy)

    return make


if __name__ == "__main__":
    sys.exit(main())
