"""A program whose SQLite file may not grow for a while: each line it prints is a fact, as JSON.

A process of its own, since the limit is the process's. Writes beyond it fail with EFBIG.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

from qml import Job, SqliteStorage, StorageUnavailable
from tests.work.support import eventually

from .tasks import SOON, Site


def limit(size: int) -> None:
    """No file grows beyond ``size`` bytes, from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else hard, hard))


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def fill(site: Site, size: int) -> list[str]:
    """Enqueue until the disk is full; the ids that were acknowledged."""
    acknowledged: list[str] = []
    while True:
        try:
            acknowledged.append(site.storage.enqueue(Job("other", ["x" * size])).id)
        except StorageUnavailable as error:
            say(error=str(error))
            return acknowledged


def main(folder: Path) -> None:
    """A job ends while there is no room for its outcome."""
    with SqliteStorage(folder / "jobs.db", retry=SOON) as storage:
        site = Site(storage)
        held = site.hold("ends meanwhile")
        with site.app.server(threads=2, queues=["default"], poll_interval=0.1) as server:
            site.gates["ends meanwhile"].someone_waits()
            limit(max(path.stat().st_size for path in folder.iterdir()) + 200_000)
            acknowledged = fill(site, 50_000) + fill(site, 10)
            site.open_gates()
            eventually(lambda: site.line.failed["swap"])
            say(seen=len(storage.list(method="other")), acknowledged=acknowledged)
            limit(-1)
            say(done=site.done(held), runs=site.runs["ends meanwhile"])
            more = storage.enqueue(Job("other", ["y" * 200_000])).id
            say(more=more, alive=all(thread.is_alive() for thread in server._started))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
