"""Server processes of their own, on one SQLite file, for tests that kill them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.field.tasks import Diary, make
from tests.work.support import eventually, library, other_connection

REPO = Path(__file__).parents[2]


class Process:
    """One server process. Its output is kept in files, so that no pipe fills up."""

    def __init__(self, folder: Path, number: int, settings: dict[str, Any]) -> None:
        self.out, self.err = folder / f"{number}.out", folder / f"{number}.err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "tests.field.tasks", str(folder), json.dumps(settings)],
                cwd=REPO,
                env={**os.environ, "PYTHONPATH": str(REPO)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self.popen.pid

    def ready(self) -> Self:
        eventually(lambda: "ready" in self.out.read_text() or self.popen.poll() is not None)
        assert self.popen.poll() in (None, 0), self.err.read_text()
        return self

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(30)

    def ended(self, timeout: float = 30) -> int:
        """Wait for the end; the exit code."""
        return self.popen.wait(timeout)

    def freeze(self, path: Path) -> None:
        """SIGSTOP, at a moment when it does not hold the write lock of the file: a process that
        is stopped within a transaction stops all others, and nothing but SIGCONT helps."""
        with other_connection(path, timeout=0) as connection:
            for _ in range(100):
                self.signal(signal.SIGSTOP)
                eventually(lambda: self._state() == "T")
                with contextlib.suppress(library.OperationalError):
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("ROLLBACK")
                    return
                self.signal(signal.SIGCONT)
                eventually(lambda: self._state() != "T")
        raise AssertionError("it always writes")

    def _state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2][0]


class Site:
    """A folder with a SQLite file, its tasks, a diary, and server processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = make(folder)
        self.storage = self.app.storage
        self.diary = Diary(folder)
        self.processes: list[Process] = []

    def start(self, **settings: Any) -> Process:
        """A server process; it need not have begun yet."""
        self.processes.append(Process(self.folder, len(self.processes), settings))
        return self.processes[-1]

    def serve(self, **settings: Any) -> Process:
        """A server process that has begun."""
        return self.start(**settings).ready()

    def enqueue(self, task: str, *arguments: Any, **options: Any) -> Any:
        return self.app.tasks[task].using(**options).enqueue(*arguments)

    def touch(self, name: str) -> None:
        (self.folder / name).touch()

    def state(self, job: Any) -> str:
        return str(self.storage.get(job.id).state.kind.value)

    def until(self, job: Any, state: str, timeout: float = 30) -> Any:
        """The job once it is in that state."""
        eventually(lambda: self.state(job) == state, timeout)
        return self.storage.get(job.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.processes:
            if process.popen.poll() is None:
                process.signal(signal.SIGKILL)
                process.popen.wait(30)
        self.app.close()
