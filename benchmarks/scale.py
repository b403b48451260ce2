"""Claims, counts and pages beside very many jobs in the file: ``python -m benchmarks.scale``.

Half of the jobs have finished, half are due next year; they are put there by plain SQL, which is
quicker. Claims must not slow down with them: at most twice, see the ratio.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qml import Job, Succeeded, connect
from qml.drivers.sqlite.library import library as sqlite3
from qml.storage.storage import Storage

from .contest import PAYLOAD
from .table import table

FILL = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)
INSERT INTO qml_jobs (
    id, version, state, queue, priority, method, attempt, fence, max_attempts, ahead, due_at,
    finished_at, created_at, key_held, unique_while, detail, failures, metadata, ready
) SELECT :state || i, 2, :state, 'default', 0, 'nothing', 1, 1, 6, 0,
    iif(:state = 'scheduled', :now + 31536000000000 + i, NULL),
    iif(:state = 'succeeded', :now + i, NULL), :now, 0, 'unfinished',
    :detail, '[]', '{}', 0 FROM n
"""
FILL_PAYLOADS = """
INSERT INTO qml_payloads (seq, body)
SELECT seq, :body FROM qml_jobs WHERE seq NOT IN (SELECT seq FROM qml_payloads)
"""
DETAILS = {
    "succeeded": '{"succeeded_at":1900000000000000,"total_duration_ms":0.05,"result":1}',
    "scheduled": '{"scheduled_at":1900000000000000,"enqueue_at":1931536000000000,"reason":null}',
}

OFFSETS = (0, 1_000, 10_000)
PAGE = 50


def fill(file: Path, rows: int) -> None:
    """Put ``rows`` jobs into a new file, and bring it to rest."""
    with connect(f"sqlite:///{file}") as storage:
        now = storage.clock.micros()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA synchronous = OFF")
    for state, detail in DETAILS.items():
        given = {"many": rows // 2, "state": state, "detail": detail, "now": now}
        connection.execute(FILL, given)
    connection.execute(FILL_PAYLOADS, {"body": f'[["{PAYLOAD}"],{{}}]'})
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _median(call: Callable[[], Any], times: int) -> float:
    """Milliseconds that a call takes, the median of several."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return statistics.median(found) * 1e3


def claims(storage: Storage, times: int) -> float:
    """Milliseconds for a claim of ten with jobs enough, each claimed and finished again."""
    found = []
    for _ in range(times):
        storage.enqueue_many([Job("nothing", [PAYLOAD]) for _ in range(10)])
        begun = time.perf_counter()
        jobs = storage.fetch_available_jobs_atomic("scale", 10)
        found.append(time.perf_counter() - begun)
        assert len(jobs) == 10
        storage.finish_many([(job, Succeeded()) for job in jobs])
    return statistics.median(found) * 1e3


def show(few: int, many: int, times: int) -> None:
    """Measure with few and with many jobs in turn, and print tables."""
    with tempfile.TemporaryDirectory(prefix="qml-bench-") as folder:
        files = {rows: Path(folder) / f"{rows}.db" for rows in (few, many)}
        for rows, file in files.items():
            fill(file, rows)
        opened = {rows: connect(f"sqlite:///{file}") for rows, file in files.items()}
        rounds = [{n: claims(storage, times) for n, storage in opened.items()} for _ in range(3)]
        small, large = (statistics.median(r[rows] for r in rounds) for rows in (few, many))
        head = ["", f"{few:,} jobs", f"{many:,} jobs", "ratio"]
        row = ["claim of 10, ms", f"{small:.2f}", f"{large:.2f}", f"{large / small:.2f} x"]
        print(table("Half of them finished, half due next year", head, [row]))
        _show_reads(opened[many], many, times)
        for storage in opened.values():
            storage.close()


def _show_reads(storage: Storage, rows: int, times: int) -> None:
    lines = [["counts by state", f"{_median(storage.get_job_counts, 5):.2f}"]]
    lines.append(
        ["10 available jobs", f"{_median(lambda: storage.get_available_jobs(10), times):.2f}"]
    )
    filters: dict[str, dict[str, Any]] = {
        "all states": {},
        "succeeded": {"state_filter": "succeeded"},
        "scheduled": {"state_filter": "scheduled"},
        "succeeded or failed": {"state_filter": ["succeeded", "failed"]},
        "succeeded, by queue and method": {
            "state_filter": "succeeded",
            "queue": "default",
            "method": "nothing",
        },
    }
    for name, given in filters.items():
        for offset in OFFSETS:
            if offset < rows // 2:
                page = partial(storage.list, limit=PAGE, offset=offset, **given)
                lines.append(
                    [f"page of {PAGE} at {offset:,}, {name}", f"{_median(page, times):.2f}"]
                )
    print(table(f"Looking at {rows:,} jobs", ["", "ms"], lines))


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=30, help="calls of each kind")
    options = parser.parse_args(arguments)
    show(options.few, options.many, options.times)
    return 0


if __name__ == "__main__":
    sys.exit(main())
