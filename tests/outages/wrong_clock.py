"""A program whose wall clock is wrong: python -m tests.outages.wrong_clock KIND URL NAME SECONDS.

The clock is moved before qml is imported, so that nothing here sees another. It prints what it
claimed of what is there, what it enqueued, and the store's time as it knows it, as JSON.
"""

import datetime
import json
import sys
import time


def move(seconds: float) -> None:
    """Let every wall clock of this process be wrong by so many seconds."""
    plain, plain_ns = time.time, time.time_ns
    time.time = lambda: plain() + seconds
    time.time_ns = lambda: plain_ns() + int(seconds * 1e9)

    class Moved(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Moved":
            return cls.fromtimestamp(time.time(), tz)

    datetime.datetime = Moved  # type: ignore[misc]


def main(kind: str, url: str, name: str, seconds: float) -> None:
    move(seconds)
    from .stores import Store
    from .tasks import Site

    with Store(kind, url, name).open() as storage:
        site = Site(storage)
        claimed = storage.fetch_available_jobs_atomic("wrong", 100)
        rescued = storage.rescue()
        soon = site.note.using(run_after=3600).enqueue("in an hour")
        facts = {
            "claimed": [job.arguments[0] for job in claimed],
            "leases": [(job.lease_expires_at - storage.now()).total_seconds() for job in claimed],
            "rescued": [job.arguments[0] for job in rescued],
            "soon": soon.id,
            "now": storage.now().timestamp(),
            "wall": time.time(),
        }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:4], float(sys.argv[4]))
