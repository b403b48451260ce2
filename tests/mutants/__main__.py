"""Proves the tests: ``python -m tests.mutants [--only NAME...] [--jobs N] [--all-tests]``.

Each mutant is applied to a copy of the tree, and its tests must fail there. At the end the copy
without any mutant meets each test that failed on one, and has to pass. Exit code 0: every mutant
was killed so.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from . import patch, trial
from .patch import DoesNotApply, Mutant
from .shared import Servers
from .trial import ALL, FAILED, HUNG, LONGEST, PASSED, Verdict

LIMIT = 180.0
"""Seconds that the tests of one mutant may take."""

AT_ONCE = 100
"""So many tests are given to one run of pytest: command lines have an end."""


class Session:
    """Copies in a folder, the one without a mutant first."""

    def __init__(
        self, folder: Path, servers: Servers, mutants: Sequence[Mutant], all_tests: bool
    ) -> None:
        self._folder = folder
        self._servers = servers
        self._all_tests = all_tests
        tests = {test for mutant in mutants for test in mutant.tests}
        self._plain = trial.clean_copy(folder / "plain", sorted(tests))

    def mutant(self, mutant: Mutant) -> Verdict:
        """What its tests say of a mutant; what they let pass may meet all others, too."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        tree = trial.linked(self._plain, folder / "tree")
        mutant.apply(tree)
        verdict = self._run(tree, mutant, LIMIT, folder / "files")
        if verdict.kind == PASSED and self._all_tests:
            urls = self._servers.urls(ALL, "")
            verdict = trial.run_tests(tree, ALL, "", urls, LONGEST, folder / "all files")
        shutil.rmtree(folder, ignore_errors=True)
        return verdict

    def takes_long(self, mutant: Mutant) -> bool:
        """Whether its tests need half of the limit, or fail, without the mutant, too."""
        verdict = self._run(self._plain, mutant, LIMIT / 2, self._scratch())
        return verdict.kind != PASSED

    def failing(self, tests: Sequence[str]) -> frozenset[str]:
        """Those of these tests that fail without a mutant, too."""
        urls = self._servers.urls(tuple(tests), "")
        return trial.failures(self._plain, tests, urls, LONGEST, self._scratch())

    def _run(self, tree: Path, mutant: Mutant, limit: float, scratch: Path) -> Verdict:
        urls = self._servers.urls(mutant.tests, mutant.select)
        return trial.run_tests(tree, mutant.tests, mutant.select, urls, limit, scratch)

    def _scratch(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder)) / "files"


def main(arguments: Sequence[str] | None = None, patches: Path = patch.FOLDER) -> int:
    """Try the mutants that are asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these mutants")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument(
        "--all-tests", action="store_true", help="what survives its own tests meets all others"
    )
    options = parser.parse_args(arguments)
    mutants = patch.read_all(patches)
    unknown = {*(options.only or ())} - {mutant.name for mutant in mutants}
    if unknown:
        parser.error(f"no mutant is called {', '.join(sorted(unknown))}")
    if options.only:
        mutants = [mutant for mutant in mutants if mutant.name in options.only]
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="qml-mutants-", ignore_cleanup_errors=True) as name,
        Servers() as servers,
    ):
        session = Session(Path(name).resolve(), servers, mutants, options.all_tests)
        killed = _try_all(session, mutants, options.jobs)
    print(f"killed {killed} / {len(mutants)} mutants in {time.monotonic() - begun:.0f} s")
    return 0 if killed == len(mutants) else 1


def _try_all(session: Session, mutants: Sequence[Mutant], jobs: int) -> int:
    """Print a line for each; how many were killed."""
    with ThreadPoolExecutor(jobs) as threads:
        killers = dict(zip(mutants, threads.map(partial(_try_one, session), mutants), strict=True))
        tests = sorted({test for test in killers.values() if test})
        runs = [tests[begin : begin + AT_ONCE] for begin in range(0, len(tests), AT_ONCE)]
        failing = frozenset().union(*threads.map(session.failing, runs))
    killed = 0
    for mutant, test in killers.items():
        if test in failing:
            _told(mutant, f"NO VERDICT, without it {test} fails, too")
        killed += test is not None and test not in failing
    return killed


def _try_one(session: Session, mutant: Mutant) -> str | None:
    """The test that a mutant fails, "" for the limit of time; None when it was not killed."""
    try:
        verdict = session.mutant(mutant)
    except DoesNotApply as error:
        return _told(mutant, f"DOES NOT APPLY, {error}")
    took = f"({verdict.seconds:.1f} s)"
    if verdict.kind == FAILED:
        return _told(mutant, f"killed by {verdict.detail} {took}", verdict.detail)
    if verdict.kind == HUNG:
        if session.takes_long(mutant):
            return _told(mutant, "NO VERDICT, its tests take too long, or fail, without it, too")
        return _told(mutant, f"killed by the time limit, {verdict.detail} {took}", "")
    if verdict.kind == PASSED:
        return _told(mutant, f"SURVIVED {' '.join(mutant.tests)}. {mutant.promise} {took}")
    return _told(mutant, f"NO VERDICT, {verdict.detail} {took}")


def _told(mutant: Mutant, line: str, killer: str | None = None) -> str | None:
    print(f"{mutant.name}: {line}", flush=True)
    return killer


if __name__ == "__main__":
    sys.exit(main())
