"""huey's turns, run by an interpreter that has it: SqliteHuey as it comes, a value returned.

Its commits flush by default; for qml's durability "normal" its ``fsync`` is off.
"""

import threading
import time
from pathlib import Path

from .contest import PAYLOAD, THREADS, Loop, enter

BATCH = 1000


def _app(file: Path, durability: str):  # type: ignore[no-untyped-def]
    from huey import SqliteHuey  # type: ignore[import-not-found,unused-ignore]

    options = {"fsync": False} if durability == "normal" else {}
    huey = SqliteHuey(filename=str(file), **options)
    runs: list[None] = []

    @huey.task()
    def nothing(text):  # type: ignore[no-untyped-def]
        runs.append(None)
        return 1

    return huey, nothing, runs


def enqueue(file: Path, durability: str, size: int) -> float:
    """One job a call, one thread."""
    _, nothing, _ = _app(file, durability)
    begun = time.perf_counter()
    for _ in range(size):
        nothing(PAYLOAD)
    return size / (time.perf_counter() - begun)


def enqueue_threads(file: Path, durability: str, size: int) -> float:
    """One job a call, from eight threads at once."""
    _, nothing, _ = _app(file, durability)

    def some() -> None:
        for _ in range(size // THREADS):
            nothing(PAYLOAD)

    crowd = [threading.Thread(target=some) for _ in range(THREADS)]
    begun = time.perf_counter()
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return size // THREADS * THREADS / (time.perf_counter() - begun)


def drain(file: Path, durability: str, size: int) -> float:
    """A consumer of eight threads does what is there; until the last value is stored."""
    huey, nothing, runs = _app(file, durability)
    for _ in range(size):
        nothing(PAYLOAD)
    consumer = huey.create_consumer(workers=THREADS, periodic=False)
    begun = time.perf_counter()
    consumer.start()
    while len(runs) < size:
        time.sleep(0.005)
    while huey.result_count() < size:
        time.sleep(0.001)
    rate = size / (time.perf_counter() - begun)
    consumer.stop(graceful=True)
    return rate


LOOPS: dict[str, Loop] = {
    "enqueue": enqueue,
    "enqueue_threads": enqueue_threads,
    "drain": drain,
}

if __name__ == "__main__":
    enter(LOOPS)
