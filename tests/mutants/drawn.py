"""Tries mutants that mutmut has made, in an order drawn by a seed: all, or what time allows.

    python -m tests.mutants.drawn --seed N --seconds N [--again OUTCOME]

In the clone in which ``tests.mutants.entered`` was run, and written down what this reads.
mutmut begins pytest anew for each mutant, and tries them by the time of their tests, so that what
it has after an hour is no fair sample. This collects the tests once and forks. A mutant meets the
tests that enter its function: first those of its module's name, then the quickest, as many as
``--budget`` seconds hold. A failure counts if the same test, alone, fails again: on a busy machine
some fail by themselves. Verdicts go into mutmut's own files, by its own codes.
"""

import argparse
import contextlib
import fcntl
import gc
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from .entered import FILE, collected, go_inside
from .score import CODES, KILLED, NO_TESTS, SURVIVED, TIMEOUT, metas

APART = "tests/work/test_process"
"""Tests of processes apart, where mutmut sees nothing: for what no test enters before its eyes."""


class Mutants:
    """A plug-in of pytest: in place of the tests it runs the mutants, each in a process."""

    def __init__(self, options: argparse.Namespace) -> None:
        entered = json.loads(FILE.read_text("utf-8"))
        self._tests: dict[str, list[str]] = entered["tests"]
        self._took: dict[str, float] = entered["seconds"]
        self._options = options
        self._items: dict[str, pytest.Item] = {}
        self._told: int | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of pytest's own."""
        self._items = {item.nodeid: item for item in session.items}
        until = time.monotonic() + self._options.seconds
        gc.freeze()
        for name in drawn(self._options)[self._options.part :: self._options.parts]:
            if time.monotonic() > until:
                break
            begun = time.monotonic()
            code, last = self._verdict(name)
            record(name, code, time.monotonic() - begun)
            took = f"{time.monotonic() - begun:.1f} s"
            print(f"{CODES.get(code, code)} {name} {last} ({took})", flush=True)
        return True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """The parent hears of each test that begins."""
        if self._told is not None:
            os.write(self._told, f"{nodeid}\n".encode())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first failure kills."""
        if self._told is not None and report.failed:
            os._exit(KILLED)

    def _verdict(self, name: str) -> tuple[int, str]:
        """mutmut's code, and the last test that ran."""
        items = self._chosen(name)
        code, last = SURVIVED if self._options.beyond else NO_TESTS, ""
        while items:
            code, last = self._tried(name, items)
            if code != KILLED or self._tried(name, [self._items[last]])[0] == KILLED:
                break
            code, items = SURVIVED, items[items.index(self._items[last]) + 1 :]
        return code, last

    def _tried(self, name: str, items: Sequence[pytest.Item]) -> tuple[int, str]:
        """What comes of these tests in a process of their own."""
        reading, told = os.pipe()
        child = os.fork()
        if child == 0:
            self._told = told
            run(name, items)
        os.close(told)
        try:
            return self._watched(child, reading)
        finally:
            os.close(reading)
            with contextlib.suppress(ProcessLookupError):  # what the tests have begun, too
                os.killpg(child, signal.SIGKILL)
            shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
            os.makedirs(tempfile.gettempdir())

    def _chosen(self, name: str) -> list[pytest.Item]:
        """The tests that a mutant meets, in their order."""
        module = f"/test_{name.split('.')[2]}.py::"
        entering = self._tests.get(function(name)) or (test for test in self._took if APART in test)
        tests = [test for test in entering if test in self._items]
        tests.sort(key=lambda test: (module not in test, self._took[test], test))
        chosen, took = [], 0.0
        for test in tests:
            took += self._took[test]
            if took > self._options.budget and (chosen or self._options.beyond):
                break
            if took > self._options.beyond:
                chosen.append(self._items[test])
        return chosen

    def _watched(self, child: int, reading: int) -> tuple[int, str]:
        """What came of a child, which is not waited for when one of its tests does not end."""
        last, limit = "", self._options.hung
        while select.select([reading], [], [], limit)[0]:
            heard = os.read(reading, 65536).decode().splitlines()
            if not heard:  # it has ended
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), last
            last = heard[-1] if heard[-1] in self._took else last
            limit = self._options.hung + 10 * self._took.get(last, 0)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return TIMEOUT, last


def run(name: str, items: Sequence[pytest.Item]) -> None:
    """In the child: the tests, with the mutant in its function's place. Does not return."""
    from mutmut.mutation.trampoline import set_mutant_under_test

    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    set_mutant_under_test(name)
    items[0].config.pluginmanager.unregister(name="terminalreporter")
    try:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    except BaseException:  # an end that a test has not asked for is found, too
        os._exit(KILLED)
    os._exit(SURVIVED)


def function(mutant: str) -> str:
    """By which name mutmut counts the tests of a mutant."""
    return mutant.partition("__mutmut_")[0]


def drawn(options: argparse.Namespace) -> list[str]:
    """Names of the mutants that have no verdict, or have the one that is to be tried again."""
    verdicts: dict[str, int | None] = {}
    for _, meta in metas():
        verdicts |= meta["exit_code_by_key"]
    names = sorted(verdicts)
    random.Random(options.seed).shuffle(names)
    if options.only:
        return [name for name in names if name in options.only]
    return [name for name in names if CODES.get(verdicts[name], "other") == options.again]


def record(name: str, code: int, seconds: float) -> None:
    """Into the file of mutmut that knows the mutant."""
    with Path(f"{'/'.join(name.split('.')[:3])}.py.meta").open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        meta = json.load(file)
        meta["exit_code_by_key"][name] = code
        meta["durations_by_key"][name] = seconds
        file.seek(0)
        file.write(json.dumps(meta, indent=4))
        file.truncate()


def main() -> int:
    """Try as many as the time allows; pytest's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.drawn", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="of the order")
    parser.add_argument("--seconds", type=float, default=3600.0, help="begin none after so long")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of tests for each")
    parser.add_argument(
        "--beyond", type=float, default=0.0, help="leave out what an earlier budget has held"
    )
    parser.add_argument(
        "--again", default="untried", help="those with this outcome, as the score calls it"
    )
    parser.add_argument("--part", type=int, default=0, help="which, where several share the work")
    parser.add_argument("--parts", type=int, default=1, help="how many share the work")
    parser.add_argument(
        "--hung", type=float, default=15.0, help="seconds that a test may take longer than before"
    )
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="these mutants")
    options = parser.parse_args()
    go_inside()
    with tempfile.TemporaryDirectory(prefix="qml-drawn-") as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        return collected(Mutants(options))


if __name__ == "__main__":
    sys.exit(main())
