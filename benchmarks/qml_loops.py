"""qml's own turns: enqueueing and draining through its public API."""

import threading
import time
from pathlib import Path

from qml import Qml, StateKind, Task

from .contest import PAYLOAD, THREADS, Loop, enter

BATCH = 1000


def _app(file: Path, durability: str) -> tuple[Qml, Task[[str], int], list[None]]:
    """An app with a task that does nothing; the list grows by one with each run."""
    jobs = Qml(f"sqlite:///{file}", durability=durability)
    runs: list[None] = []

    @jobs.task(name="nothing")
    def nothing(text: str) -> int:
        runs.append(None)
        return 1

    assert jobs.storage.get_job_counts()
    return jobs, nothing, runs


def enqueue(file: Path, durability: str, size: int) -> float:
    """One job a call, one thread."""
    _, nothing, _ = _app(file, durability)
    begun = time.perf_counter()
    for _ in range(size):
        nothing.enqueue(PAYLOAD)
    return size / (time.perf_counter() - begun)


def enqueue_many(file: Path, durability: str, size: int) -> float:
    """A thousand jobs a call."""
    _, nothing, _ = _app(file, durability)
    calls = [(PAYLOAD,)] * min(BATCH, size)
    begun = time.perf_counter()
    for _ in range(size // len(calls)):
        nothing.enqueue_many(calls)
    return size // len(calls) * len(calls) / (time.perf_counter() - begun)


def enqueue_threads(file: Path, durability: str, size: int) -> float:
    """One job a call, from eight threads at once."""
    _, nothing, _ = _app(file, durability)

    def some() -> None:
        for _ in range(size // THREADS):
            nothing.enqueue(PAYLOAD)

    crowd = [threading.Thread(target=some) for _ in range(THREADS)]
    begun = time.perf_counter()
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return size // THREADS * THREADS / (time.perf_counter() - begun)


def drain(file: Path, durability: str, size: int) -> float:
    """A server of eight threads does what is there; until the last outcome is recorded."""
    jobs, nothing, runs = _app(file, durability)
    for start in range(0, size, BATCH):
        nothing.enqueue_many([(PAYLOAD,)] * min(BATCH, size - start))
    server = jobs.server(threads=THREADS)
    begun = time.perf_counter()
    server.start()
    while len(runs) < size:
        time.sleep(0.005)
    while jobs.storage.get_job_counts()[StateKind.SUCCEEDED] < size:
        time.sleep(0.001)
    rate = size / (time.perf_counter() - begun)
    server.stop()
    return rate


LOOPS: dict[str, Loop] = {
    "enqueue": enqueue,
    "enqueue_many": enqueue_many,
    "enqueue_threads": enqueue_threads,
    "drain": drain,
}

if __name__ == "__main__":
    enter(LOOPS)
