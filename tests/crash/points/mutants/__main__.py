"""Breaks qml and sees that the kills find it: ``python -m tests.crash.points.mutants``.

Exit code 0: the story passes with each mutant while nobody is killed, and a kill finds it.
"""

import argparse
import re
import subprocess
import sys

from tests.house.rules import REPO

from ..instruments import DRIVERS
from . import of

NOBODY = "--only=0"
"""Is killed, and the story told to its end."""


def main(arguments: list[str] | None = None) -> int:
    """Try each mutant of a store; the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("--store", choices=DRIVERS, default="sqlite")
    parser.add_argument("--mutant", nargs="*", help="these; default: all")
    options = parser.parse_args(arguments)
    survivors = 0
    for name in options.mutant or of(options.store):
        flags = f"--store={options.store}", f"--mutant={name}"
        unseen, _ = _told(*flags, NOBODY)
        found, how = _told(*flags)
        survivors += found != "REJECTED" or unseen != "PASSED"
        seen = "" if unseen == "PASSED" else " (and without a kill)"
        print(f"{found}{seen}: {name}: {how}", flush=True)
    return 1 if survivors else 0


def _told(*flags: str) -> tuple[str, str]:
    """The verdict, and which promise was broken where."""
    command = [sys.executable, "-m", "tests.crash.points", *flags]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    verdict = re.search(r"^(PASSED|REJECTED)", done.stdout, re.MULTILINE)
    if verdict is None:
        raise RuntimeError(f"no verdict on {flags}:\n{done.stdout}{done.stderr}")
    promise = re.search(r"^  (\D+) \(\d+\):\n    (point \d+, [^:]*: [^:]*)", done.stdout, re.M)
    return verdict[1], ", ".join(promise.groups()) if promise else ""


if __name__ == "__main__":
    sys.exit(main())
