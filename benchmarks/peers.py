"""The environment in which other libraries are measured: ``python -m benchmarks.peers`` makes it.

It is apart from qml's own, so that neither changes what the other brings; ``peers.txt`` pins it.
"""

import subprocess
import sys
import venv
from pathlib import Path

from .contest import REPO

FOLDER = REPO / ".tox" / "peers"
PINS = Path(__file__).with_name("peers.txt")


def python() -> str | None:
    """The interpreter that has the peers; None when their environment was not made."""
    for place in ("bin/python", "Scripts/python.exe"):
        if (FOLDER / place).exists():
            return str(FOLDER / place)
    return None


def make() -> None:
    """Make the environment, or bring it up to date."""
    venv.create(FOLDER, with_pip=True)
    command = [python() or "python", "-m", "pip", "install", "--quiet", "-r", str(PINS)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    make()
    sys.exit(0 if python() else 1)
