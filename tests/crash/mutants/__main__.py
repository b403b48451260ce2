"""Breaks qml and sees that the kills find it: ``python -m tests.crash.mutants [--store postgres]``.

Exit code 0: the kills rejected all. By hand, since a mutant may by luck survive a short run.
"""

import argparse
import sys

from .. import stores
from . import MUTANTS, OF_SERVERS, OF_SQLITE
from .trial import try_out


def main(arguments: list[str] | None = None) -> int:
    """Run the kills against each mutant of a store; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.mutants", description=__doc__)
    parser.add_argument("--store", choices=stores.KINDS, default="sqlite")
    parser.add_argument("--kills", type=int, default=80, help="of processes")
    parser.add_argument("--server-kills", type=int, default=10, help="where there is a server")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=MUTANTS, nargs="*")
    options = parser.parse_args(arguments)
    flags = [f"--store={options.store}", f"--kills={options.kills}", f"--seed={options.seed}"]
    flags += ["--drain=10"]
    mutants = OF_SQLITE
    if options.store in stores.SERVERS:
        mutants = OF_SERVERS
        flags += [f"--server-kills={options.server_kills}"]
    survivors = 0
    for name in options.only or mutants:
        rejected, rules = try_out(name, *flags)
        survivors += not rejected
        print(f"{'rejected' if rejected else 'SURVIVED'}: {name}: {rules}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
