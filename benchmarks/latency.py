"""From the call of enqueue to the start of the task, on a server with nothing else to do."""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from qml import Qml, Task

from .contest import PAYLOAD, REPO, THREADS
from .table import table

PAUSE = 0.03


def _app(file: Path, durability: str) -> tuple[Qml, Task[[str], float]]:
    jobs = Qml(f"sqlite:///{file}", durability=durability)

    @jobs.task(name="started")
    def started(text: str) -> float:
        return time.monotonic()

    return jobs, started


def serve(file: Path, durability: str) -> None:
    """A server, until its standard input ends."""
    jobs, _ = _app(file, durability)
    with jobs.server(threads=THREADS):
        print("ready", flush=True)
        sys.stdin.read()


def measure(jobs: Qml, started: "Task[[str], float]", size: int) -> list[tuple[float, float]]:
    """Of each job: seconds in the call of enqueue, and from the call to the start. In the sum is
    the commit with its flush; the start may come before the call has returned."""
    found = []
    for _ in range(size):
        time.sleep(random.uniform(0.5, 1.5) * PAUSE)
        begun = time.monotonic()
        job = started.enqueue(PAYLOAD)
        stored = time.monotonic()
        found.append((stored - begun, jobs.result(job, 30) - begun))
    return found


def within(durability: str, size: int) -> list[tuple[float, float]]:
    """Enqueued by the server's own process."""
    with tempfile.TemporaryDirectory(prefix="qml-bench-") as folder:
        jobs, started = _app(Path(folder) / "bench.db", durability)
        with jobs, jobs.server(threads=THREADS):
            return measure(jobs, started, size)


def across(durability: str, size: int) -> list[tuple[float, float]]:
    """Enqueued by another process than the server's."""
    with tempfile.TemporaryDirectory(prefix="qml-bench-") as folder:
        file = Path(folder) / "bench.db"
        command = [sys.executable, "-m", "benchmarks.latency", str(file), durability]
        with subprocess.Popen(
            command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as server:
            assert server.stdout is not None
            server.stdout.readline()
            jobs, started = _app(file, durability)
            with jobs:
                found = measure(jobs, started, size)
            server.communicate()
        return found


def show(durability: str, size: int) -> None:
    """Measure both and print a table."""
    rows = []
    for name, found in (
        ("in one process", within(durability, size)),
        ("across processes", across(durability, size)),
    ):
        rows.append(_row(f"{name}: the call of enqueue", [call for call, _ in found]))
        rows.append(_row(f"{name}: call to start", [start for _, start in found]))
        rows.append(_row(f"{name}: return to start", [max(0.0, s - c) for c, s in found]))
    title = f"Latency of an idle server, durability {durability}, {size} jobs"
    print(table(title, ["", "p50 ms", "p99 ms", "worst ms"], rows), flush=True)


def _row(name: str, seconds: Sequence[float]) -> list[str]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return [name, *(f"{value * 1e3:.2f}" for value in (cuts[49], cuts[98], max(seconds)))]


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
