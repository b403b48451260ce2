"""The app that the server processes of these tests run: each run leaves a line in a diary.

As a script: ``python -m tests.field.tasks FOLDER '{"threads": 2, ...}'`` serves FOLDER/jobs.db.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from qml import Qml, RetryPolicy, SqliteStorage, current_job

RETRY = RetryPolicy(max_retries=5, base=0.05, factor=1)


class Diary:
    """A file to which many processes append lines, each whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "diary"

    def write(self, what: str) -> None:
        me = current_job()
        assert me is not None
        line = json.dumps([what, me.id, me.attempt, me.job.fence, os.getpid(), time.monotonic()])
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{line}\n".encode())
        os.close(file)

    def lines(self, what: str | None = None) -> list[list[Any]]:
        """[what, job id, attempt, fence, pid, seconds] of each line."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if what in (None, line[0])]


def make(folder: Path, **options: Any) -> Qml:
    """The app on FOLDER/jobs.db."""
    app = Qml(SqliteStorage(folder / "jobs.db", retry=RETRY, **options))
    diary = Diary(folder)

    @app.task(name="note")
    def note() -> None:
        diary.write("ran")

    @app.task(name="sleep")
    def sleep(seconds: float) -> str:
        """One long call of C, as a thread cannot be made to leave."""
        diary.write("began")
        time.sleep(seconds)
        diary.write("ended")
        return "slept"

    @app.task(name="wait_for")
    def wait_for(name: str) -> str:
        """Until a file exists."""
        diary.write("began")
        while not (folder / name).exists():
            time.sleep(0.01)
        diary.write("ended")
        return f"found {name} in {os.getpid()}"

    @app.task(name="hog")
    def hog(seconds: float) -> str:
        """Hold the interpreter's lock in bursts of about a tenth of a second."""
        diary.write("began")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            sum(range(3_000_000))
        diary.write("ended")
        return "hogged"

    return app


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    rest = {name: settings.pop(name) for name in ("burst",) if name in settings}
    app = make(folder)
    server = app.server(**{"threads": 2, "poll_interval": 0.2, "grace_seconds": 20} | settings)
    print("ready", flush=True)
    with contextlib.suppress(BrokenPipeError):
        server.run(burst=rest.get("burst", False))
        print("handed back", server.handed_back, flush=True)


if __name__ == "__main__":
    main()
