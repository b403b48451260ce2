"""Proves the tests: ``python -m tests.mutants [--only NAME...] [--jobs N] [--all-tests]``.

Each mutant is applied to a copy of the tree, and its tests must fail there. Exit code 0: every
mutant was killed, by tests that the copy without it passes.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from . import patch, trial
from .patch import DoesNotApply, Mutant
from .shared import Servers
from .trial import ALL, FAILED, HUNG, PASSED, UNCLEAR, Verdict

LONGEST = 900.0
"""Seconds that tests may take on the copy without a mutant."""

Job = tuple[tuple[str, ...], str]
"""Files of tests, and what to select of them."""


class Session:
    """Copies in a folder, the one without a mutant first."""

    def __init__(self, folder: Path, servers: Servers, all_tests: bool) -> None:
        self._folder = folder
        self._servers = servers
        self._all_tests = all_tests
        self._plain = trial.clean_copy(folder / "plain")

    def plain(self, job: Job) -> Verdict:
        """What these tests say of the copy without a mutant."""
        scratch = Path(tempfile.mkdtemp(dir=self._folder))
        return self._run(self._plain, job, LONGEST, scratch / "files")

    def mutant(self, mutant: Mutant, plain: Verdict) -> Verdict:
        """What its tests say of a mutant; what they let pass may meet all others, too."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        tree = trial.copy_tree(self._plain, folder / "tree")
        mutant.apply(tree)
        limit = 60 + 5 * plain.seconds
        verdict = self._run(tree, (mutant.tests, mutant.select), limit, folder / "files")
        if verdict.kind == PASSED and self._all_tests:
            verdict = self._run(tree, (ALL, ""), LONGEST, folder / "all files")
        shutil.rmtree(folder, ignore_errors=True)
        return verdict

    def _run(self, tree: Path, job: Job, limit: float, scratch: Path) -> Verdict:
        return trial.run_tests(tree, *job, self._servers.urls(*job), limit, scratch)


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
        session = Session(Path(name).resolve(), servers, options.all_tests)
        killed = _try_all(session, mutants, options.jobs)
    print(f"killed {killed} / {len(mutants)} mutants in {time.monotonic() - begun:.0f} s")
    return 0 if killed == len(mutants) else 1


def _try_all(session: Session, mutants: Sequence[Mutant], jobs: int) -> int:
    """Print a line for each; how many were killed."""
    with ThreadPoolExecutor(jobs) as threads:
        plain: dict[Job, Future[Verdict]] = {}
        for mutant in mutants:
            job = (mutant.tests, mutant.select)
            plain[job] = plain.get(job) or threads.submit(session.plain, job)
        lines = [
            threads.submit(_try_one, session, mutant, plain[mutant.tests, mutant.select])
            for mutant in mutants
        ]
        return sum(line.result() for line in lines)


def _try_one(session: Session, mutant: Mutant, plain: "Future[Verdict]") -> bool:
    passed = plain.result()
    if passed.kind != PASSED:
        line = f"NO VERDICT, its tests fail without it, too: {passed.detail}"
        return _told(mutant, line, killed=False)
    try:
        verdict = session.mutant(mutant, passed)
    except DoesNotApply as error:
        return _told(mutant, f"DOES NOT APPLY, {error}", killed=False)
    line = {
        FAILED: f"killed by {verdict.detail}",
        HUNG: f"killed by the time limit, {verdict.detail}",
        PASSED: f"SURVIVED {' '.join(mutant.tests)}. {mutant.promise}",
        UNCLEAR: f"NO VERDICT, {verdict.detail}",
    }[verdict.kind]
    return _told(mutant, f"{line} ({verdict.seconds:.1f} s)", verdict.kind in (FAILED, HUNG))


def _told(mutant: Mutant, line: str, killed: bool) -> bool:
    print(f"{mutant.name}: {line}", flush=True)
    return killed


if __name__ == "__main__":
    sys.exit(main())
