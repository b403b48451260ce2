"""A store full of jobs that no claim may take: half have finished, half are due next year."""

from collections.abc import Iterator
from datetime import timedelta

from qml import Job, Processing, Scheduled, Succeeded
from qml.seam.codec import encode_job
from qml.seam.rows import Row
from qml.storage.storage import Storage
from qml.values.ids import new_id
from qml.values.times import to_micros

from ..loops import PAYLOAD

BATCH = 2_000


def fill(storage: Storage, many: int) -> None:
    """Put ``many`` jobs there: rows as they will be, by the driver, which is quicker than to run
    them. A million take about 40 s on PostgreSQL, 20 s on SQLite, two minutes on Redis."""
    rows = _rows(storage, many)
    while batch := [row for row, _ in zip(rows, range(BATCH), strict=False)]:
        storage.driver.insert(batch)


def _rows(storage: Storage, many: int) -> Iterator[Row]:
    now = storage.now()
    run = Processing(worker_id="scale", server_name="scale")
    done = _row(Job("nothing", [PAYLOAD]).with_state(run).with_state(Succeeded()))
    later = now + timedelta(days=365)
    due = _row(Job("nothing", [PAYLOAD]).with_state(Scheduled(enqueue_at=later)))
    for number in range(many // 2):
        yield done._replace(id=new_id(), finished_at=to_micros(now) + number)
        yield due._replace(id=new_id(), due_at=to_micros(later) + number)


def _row(job: Job) -> Row:
    return encode_job(job, max_attempts=6, lease_until=None, max_bytes=1_000_000)
