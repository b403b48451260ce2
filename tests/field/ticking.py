"""A web server as it is deployed: an app made first, and then a few forked processes, each with a
server of jobs within it. As a script: ``python -m tests.field.ticking SETTINGS``."""

import json
import os
import sys
import time
from typing import Any

from qml import PostgresConfig, Qml, RedisConfig, SqliteConfig

CONFIGS = {"sqlite": SqliteConfig, "postgres": PostgresConfig, "redis": RedisConfig}

PERIOD = 0.25


def make(kind: str, settings: dict[str, Any]) -> Qml:
    """The app, with one schedule that must miss no slot."""
    jobs = Qml(CONFIGS[kind](**settings))

    @jobs.every(PERIOD, catch_up="all")
    @jobs.task(name="tick")
    def tick() -> int:
        return os.getpid()

    return jobs


def main(kind: str, settings: dict[str, Any], children: int, first: bool) -> None:
    """Fork, serve in each child, and say who they are. ``first``: the app has connected before the
    fork, as one does that looks at its store when it is imported."""
    jobs = make(kind, settings)
    if first:
        jobs.storage.get_job_counts()
    pids = []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            with jobs.server(threads=2):
                time.sleep(3600)
            os._exit(0)
        pids.append(pid)
    print(json.dumps(pids), flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
