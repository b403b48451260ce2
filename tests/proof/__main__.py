"""The whole proof at length, some hours: ``python -m tests.proof [--scale 1] [--only NAME...]``.

One run after the other, each a command of its own that docs/proof.rst names; what each prints is
in a file of its own in ``--folder``. Exit code 0: all have passed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .runs import RUNS


def main(arguments: list[str] | None = None) -> int:
    """Run, and say of each run how it ended; the exit code."""
    options = _options(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="qml-proof-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"what the runs print is kept in {folder}")
    failed = 0
    for name in options.only or RUNS:
        run = RUNS[name]
        begun = time.monotonic()
        with (folder / f"{name}.txt").open("w", encoding="utf-8") as printed:
            code = subprocess.run(
                [sys.executable, *run.command(options.scale)],
                stdout=printed,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        failed += code != 0
        word = "passed" if code == 0 else f"FAILED (exit code {code})"
        print(f"{name:<24} {word} in {time.monotonic() - begun:,.0f} s", flush=True)
        print("".join(f"    {line}\n" for line in _end_of(folder / f"{name}.txt")), flush=True)
    return 1 if failed else 0


def _end_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-8:]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: a tenth of everything")
    parser.add_argument("--only", choices=RUNS, nargs="*", help="these runs")
    parser.add_argument("--folder", help="for what the runs print")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
