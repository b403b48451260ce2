"""A process that runs very many jobs, enqueues them itself, and says how much memory it takes."""

import json
import os
import sys
import time
from collections.abc import Iterator

from qml import Qml

from ..loops import BATCH, PAYLOAD, THREADS, URL
from ..resident import mebibytes

PARTS = 10


def run(url: str, jobs: int) -> Iterator[float]:
    """Resident MiB before any job, and after each tenth of them."""
    ran: list[None] = []
    with Qml(url) as app:
        task = app.task(name="nothing")(lambda text: ran.append(None))
        with app.server(threads=THREADS):
            time.sleep(0.1)
            yield mebibytes()
            for part in range(1, PARTS + 1):
                some = jobs * part // PARTS - jobs * (part - 1) // PARTS
                for start in range(0, some, BATCH):
                    many = min(BATCH, some - start)
                    task.enqueue_many([(PAYLOAD,)] * many)
                    while len(ran) < many:
                        time.sleep(0.001)
                    ran.clear()
                yield mebibytes()


if __name__ == "__main__":
    print(json.dumps([*run(os.environ[URL], int(sys.argv[1]))]))
