"""The bare database: a loop of SQL that writes the same columns, indexes and commits as qml.

It makes no values, checks nothing, wakes nobody and runs no task, so it is what a job library on
SQLite can at best come near. The tables are qml's own; the statements are written for this loop.
"""

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from uuid import uuid4

from qml import connect
from qml.drivers.sqlite.library import library as sqlite3  # the same SQLite as qml's

from .contest import PAYLOAD, THREADS, Loop, enter

BATCH = 1000
TEXT = f'[["{PAYLOAD}"],{{}}]'
ENQUEUED = '{"enqueued_at":1900000000000000,"queue":"default"}'
STARTED = '{"started_at":1900000000000000,"server_name":"bare"}'
DONE = '{"succeeded_at":1900000000000000,"total_duration_ms":0.05,"result":1}'

INSERT = """
INSERT INTO qml_jobs (
    id, version, state, queue, priority, method, attempt, fence, max_attempts, ahead, due_at,
    created_at, key_held, unique_while, detail, failures, metadata, ready
) VALUES (?, 0, 'enqueued', 'default', 0, 'nothing', 0, 0, 6, 0, 0,
    1900000000000000, 0, 'unfinished', ?, '[]', '{}', 1)
"""
INSERT_PAYLOAD = "INSERT INTO qml_payloads (seq, body) VALUES (?, ?)"
BEST = """
SELECT j.seq, j.id, j.version, j.method, p.body
FROM qml_jobs AS j JOIN qml_payloads AS p ON p.seq = j.seq
WHERE j.ready = 1 ORDER BY j.priority DESC, j.seq LIMIT ?
"""
CLAIM = """
UPDATE qml_jobs SET state = 'processing', version = version + 1, attempt = attempt + 1,
    fence = fence + 1, worker = 'bare', lease_until = 1900000030000000, due_at = NULL, ready = 0,
    detail = ?
WHERE seq = ?
"""
FINISH = """
UPDATE qml_jobs SET state = 'succeeded', version = version + 1, lease_until = NULL,
    finished_at = 1900000000000000, detail = ?
WHERE seq = ? AND version = ?
"""


def _open(file: Path, durability: str) -> Connection:
    connection: Connection = sqlite3.connect(file, timeout=60, isolation_level=None)
    connection.execute(f"PRAGMA synchronous = {durability}")
    return connection


def _installed(file: Path, durability: str) -> Connection:
    with connect(f"sqlite:///{file}"):
        pass
    return _open(file, durability)


def _insert(connection: Connection, many: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for _ in range(many):
        seq = connection.execute(INSERT, (str(uuid4()), ENQUEUED)).lastrowid
        connection.execute(INSERT_PAYLOAD, (seq, TEXT))
    connection.execute("COMMIT")


def enqueue(file: Path, durability: str, size: int, *, batch: int = 1) -> float:
    """``batch`` jobs a transaction."""
    connection = _installed(file, durability)
    begun = time.perf_counter()
    for _ in range(size // batch):
        _insert(connection, batch)
    return size // batch * batch / (time.perf_counter() - begun)


def enqueue_threads(file: Path, durability: str, size: int) -> float:
    """One job a transaction, eight threads with a connection each."""
    _installed(file, durability).close()

    def some() -> None:
        connection = _open(file, durability)
        for _ in range(size // THREADS):
            _insert(connection, 1)
        connection.close()

    crowd = [threading.Thread(target=some) for _ in range(THREADS)]
    begun = time.perf_counter()
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return size // THREADS * THREADS / (time.perf_counter() - begun)


def drain(file: Path, durability: str, size: int, *, batch: int) -> float:
    """Claim ``batch`` jobs in one transaction, without a flush as qml does; finish them in the
    next."""
    connection = _installed(file, durability)
    for _ in range(-(-size // BATCH)):
        _insert(connection, min(BATCH, size))
    begun = time.perf_counter()
    done = sum(_rounds(connection, durability, batch))
    return done / (time.perf_counter() - begun)


def _rounds(connection: Connection, durability: str, batch: int) -> Iterator[int]:
    while True:
        connection.execute("PRAGMA synchronous = normal")
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(BEST, (batch,)).fetchall()
        connection.executemany(CLAIM, [(STARTED, row[0]) for row in rows])
        connection.execute("COMMIT")
        if not rows:
            return
        connection.execute(f"PRAGMA synchronous = {durability}")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(FINISH, [(DONE, row[0], row[2] + 1) for row in rows])
        connection.execute("COMMIT")
        yield len(rows)


LOOPS: dict[str, Loop] = {
    "enqueue": enqueue,
    "enqueue_many": lambda file, durability, size: enqueue(
        file, durability, size, batch=min(BATCH, size)
    ),
    "enqueue_threads": enqueue_threads,
    **{f"drain_{batch}": partial(drain, batch=batch) for batch in (1, 8, 32, 100)},
}

if __name__ == "__main__":
    enter(LOOPS)
