"""A mutant's trial: the kills run on it, in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[3]


def try_out(name: str, *flags: str) -> tuple[bool, str]:
    """Whether the kills, run with these flags, reject a mutant, and by which rules."""
    command = [sys.executable, "-m", "tests.crash.kills", "--mutant", name, *flags]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if "REJECTED" not in done.stdout and "PASSED" not in done.stdout:
        raise RuntimeError(f"no verdict on {name}:\n{done.stdout}{done.stderr}")
    rules = re.findall(r"^  (\w+ \(\d+\)):$", done.stdout, re.MULTILINE)
    return done.returncode == 1, ", ".join(rules)
