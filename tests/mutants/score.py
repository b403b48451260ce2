"""Prints what mutmut's files in a clone say: ``python -m tests.mutants.score [--alive]``.

Killed are those that a test failed on, and those that hung. The interval is Wilson's, of 95 %, and
holds for all mutants when those that were tried were drawn at random (``tests.mutants.drawn``).
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

KILLED, SURVIVED, NO_TESTS, TIMEOUT = 1, 0, 33, -24

CODES = {
    None: "untried",
    KILLED: "killed",
    SURVIVED: "survived",
    NO_TESTS: "no tests",
    TIMEOUT: "timeout",
}
"""By mutmut's exit codes; any other is "other"."""

NORMAL = 1.959964
"""The width of 95 %, in standard deviations."""


def metas(folder: Path = Path()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """mutmut's files on the mutants in a folder, by path."""
    for file in sorted(folder.glob("qml/*/*.meta")):
        yield file, json.loads(file.read_text("utf-8"))


def interval(killed: int, tried: int) -> tuple[float, float]:
    """Between which shares the true one lies, with 95 % confidence (Wilson)."""
    share, square = killed / tried, NORMAL**2 / tried
    middle = (share + square / 2) / (1 + square)
    width = NORMAL * sqrt(share * (1 - share) / tried + square / tried / 4) / (1 + square)
    return middle - width, middle + width


def lines(outcomes: "Counter[str]") -> Iterator[str]:
    """The score as text."""
    total, tried = outcomes.total(), outcomes.total() - outcomes["untried"]
    yield f"{tried} of {total} mutants tried"
    yield "  " + ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    for text, of in (("all tried", tried), ("those with tests", tried - outcomes["no tests"])):
        killed = outcomes["killed"] + outcomes["timeout"]
        if of:
            low, high = interval(killed, of)
            yield (
                f"  killed of {text}: {killed} / {of} = {killed / of:.1%},"
                f" with 95 % confidence {low:.1%} to {high:.1%}"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the score, and which live."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.score", description=__doc__)
    parser.add_argument("--alive", action="store_true", help="name those that live")
    options = parser.parse_args(arguments)
    outcomes: Counter[str] = Counter()
    for _, meta in metas(Path("mutants")):
        for name, code in meta["exit_code_by_key"].items():
            outcome = CODES.get(code, "other")
            outcomes[outcome] += 1
            if options.alive and outcome not in ("killed", "timeout", "untried"):
                print(f"{outcome} {name}")
    print(*lines(outcomes), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
