"""A script with a durable map, to be killed: ``python -m tests.crash.map_child URL FOLDER N``.

Each call writes its input into the file ``effects`` in FOLDER, and each result that is given out
goes to ``results``, which a run begins anew.
"""

import os
import sys
import time
from pathlib import Path

from qml import Qml
from tests.crash.map_kills import LEASE, WINDOW

url, folder, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
jobs = Qml(url)
effects = os.open(folder / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@jobs.task(name="square", max_retries=1_000)
def square(n: int) -> int:
    """Leave a trace that a kill cannot take back."""
    time.sleep(0.002)
    os.write(effects, f"{n}\n".encode())
    return n * n


if __name__ == "__main__":
    server = jobs.server(threads=3, lease_seconds=LEASE, poll_interval=0.2)
    with (folder / "results").open("w") as results:
        for value in square.map(range(number), batch="killed", window=WINDOW, server=server):
            results.write(f"{value}\n")
