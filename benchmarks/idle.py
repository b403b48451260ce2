"""What a server with nothing to do costs: its share of one core."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qml import Qml

from .contest import REPO, THREADS

WARM = 1.0


def sit(file: Path, seconds: float) -> float:
    """Run a server on an empty store; its share of a core after a second to get warm."""
    jobs = Qml(f"sqlite:///{file}")
    with jobs.server(threads=THREADS):
        time.sleep(WARM)
        cpu, begun = time.process_time(), time.perf_counter()
        time.sleep(seconds)
        return (time.process_time() - cpu) / (time.perf_counter() - begun)


def show(seconds: float) -> None:
    """Measure in a process of its own, and print a line."""
    with tempfile.TemporaryDirectory(prefix="qml-bench-") as folder:
        file = str(Path(folder) / "bench.db")
        command = [sys.executable, "-m", "benchmarks.idle", file, str(seconds)]
        done = subprocess.run(command, cwd=REPO, stdout=subprocess.PIPE, text=True, check=True)
    share = float(done.stdout)
    print(f"An idle server of {THREADS} threads takes {share:.2%} of a core ({seconds:g} s)\n")


if __name__ == "__main__":
    print(sit(Path(sys.argv[1]), float(sys.argv[2])))
