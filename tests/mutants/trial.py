"""Tests run on a copy of the tree, in a process of their own, and what came of it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.house.rules import REPO

from .witness import SIGN

COPIED = ("qml", "tests", "docs", "benchmarks", "README.rst", "setup.cfg", "ruff.toml")

ALL = (
    "tests",
    *(f"--ignore=tests/{folder}" for folder in ("mutants", "house", "docs", "newcomer")),
)
"""All tests of what qml does. Those left out look at its text."""

LONGEST = 900.0
"""Seconds that all tests may take."""

FLAGS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "tests.mutants.witness")

PASSED, FAILED, HUNG, UNCLEAR = "passed", "failed", "hung", "unclear"

FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - .*)?$", re.MULTILINE)


Copy = Callable[[Path, Path], object]


@dataclass(frozen=True)
class Verdict:
    """What came of it, the test that failed or else the end of the output, seconds it took."""

    kind: str
    detail: str
    seconds: float


def copy_tree(source: Path, target: Path, *ignored: str, copy: Copy = shutil.copy2) -> Path:
    """A copy of all that tests need. Compiled files go along, and spare each mutant two seconds;
    but not those that somebody is just writing."""
    ignore = shutil.ignore_patterns("*.pyc.*", *ignored)
    target.mkdir(parents=True)
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=ignore, copy_function=copy)
        elif (source / name).exists():
            copy(source / name, target / name)
    return target


def linked(source: Path, target: Path) -> Path:
    """The same, of links: a copy takes seconds. A file that is to be another is removed first."""
    return copy_tree(source, target, copy=os.link)


def clean_copy(target: Path, tests: Iterable[str]) -> Path:
    """A copy of this very tree, with what these tests need compiled now, by Python and pytest."""
    copy_tree(REPO, target, "__pycache__")
    _pytest(target, ("--collect-only", *tests), {}, LONGEST, target.with_name("none"))
    return target


def run_tests(
    tree: Path,
    tests: tuple[str, ...],
    select: str,
    urls: Mapping[str, str],
    limit: float,
    scratch: Path,
) -> Verdict:
    """Run tests on the qml of ``tree`` up to the first that fails, for ``limit`` seconds. ``urls``:
    of servers, by variable of the environment; ``scratch``: a folder for the tests' own files."""
    begun = time.monotonic()
    ended = _pytest(tree, (*tests, *(("-k", select) if select else ())), urls, limit, scratch)
    if ended is None:
        return Verdict(HUNG, f"no end after {limit:.0f} s", time.monotonic() - begun)
    kind, detail = _judged(*ended, tree)
    return Verdict(kind, detail, time.monotonic() - begun)


def failures(
    tree: Path, tests: Sequence[str], urls: Mapping[str, str], limit: float, scratch: Path
) -> frozenset[str]:
    """Which of these single tests fail on the qml of ``tree``; all, if that cannot be told."""
    ended = _pytest(tree, (*tests, f"--maxfail={len(tests) + 1}"), urls, limit, scratch)
    if ended is None or ended[1] not in (0, 1) or f"{SIGN} {tree}{os.sep}" not in ended[0]:
        return frozenset(tests)
    return frozenset(FAILURE.findall(ended[0]))


def _pytest(
    tree: Path, arguments: Sequence[str], urls: Mapping[str, str], limit: float, scratch: Path
) -> tuple[str, int] | None:
    """The output and the exit code; None when there was no end in time."""
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *FLAGS, f"--basetemp={scratch}", *arguments],
        cwd=tree,
        env={**os.environ, **urls, "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):  # what the tests have started, too
                os.killpg(process.pid, signal.SIGKILL)
    return output, process.returncode


def _judged(output: str, code: int, tree: Path) -> tuple[str, str]:
    """Only tests that ran, on the right qml, have a say: a mutant that cannot even be imported
    proves nothing."""
    failures = FAILURE.findall(output)
    if f"{SIGN} {tree}{os.sep}" in output:
        if code == 0:
            return PASSED, ""
        if code == 1 and failures:
            return FAILED, failures[0]
    return UNCLEAR, f"exit code {code}:\n{output[-3000:]}"
