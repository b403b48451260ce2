"""Has mutmut make its mutants, and notes which tests enter which function, and how long they take.

``python -m tests.mutants.entered`` in a clone, where mutmut makes a folder ``mutants`` of its own.
mutmut notes the same, but ends at the first test that fails; here one that fails is left out, as
are those in setup.cfg: tests that look at qml's text, or count its calls.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest

FILE = Path("entered.json")


class Entered:
    """A plug-in of pytest: asks mutmut after each test."""

    def __init__(self) -> None:
        self.tests: dict[str, set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """How long it took, or that it failed."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """What mutmut has seen it enter."""
        from mutmut.state import state

        for function in state()._stats:
            self.tests[function].add(nodeid)
        state()._stats.clear()

    def pytest_sessionfinish(self) -> None:
        """Keep it, without what failed."""
        tests = {name: sorted(found - self.failed) for name, found in self.tests.items()}
        FILE.write_text(json.dumps({"tests": tests, "seconds": self.seconds}), "utf-8")


def collected(plugin: object) -> int:
    """Run pytest on the tests that setup.cfg chooses; its exit code."""
    from mutmut.configuration import config

    chosen = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
    return pytest.main(["--rootdir=.", "-q", *chosen], plugins=[plugin])


def go_inside() -> None:
    """Begin anew among mutmut's copies, if not there: it is their qml that has to be imported, here
    and in the processes that tests begin."""
    tree = Path("mutants").resolve()
    if tree.is_dir():
        module = sys.modules["__main__"].__spec__.name  # type: ignore[union-attr]
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])


def make() -> None:
    """What ``mutmut run`` does first."""
    from mutmut import __main__ as mutmut

    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.create_mutants(max_children=os.cpu_count() or 1)


def main() -> int:
    """Make the mutants, and run all tests once."""
    if Path("setup.py").exists():  # not a copy
        Path("mutants").mkdir(exist_ok=True)
        make()
    go_inside()
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test("stats")
    return collected(Entered())


if __name__ == "__main__":
    sys.exit(main())
