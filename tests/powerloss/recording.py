"""A recorded run of the workload, in a process of its own: the recorder, once installed, stays."""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from qml.drivers.sqlite import connections
from qml.drivers.sqlite.library import library
from qml.drivers.sqlite.statements import SQL
from tests.house.rules import REPO

from . import interface, mutants, workload
from .disk import Image
from .recorder import Recorder
from .trace import Event, Trace
from .workload import Plan

DATABASE = "jobs.db"


class Recording(NamedTuple):
    """What happened, and the files as they were in the end."""

    events: list[Event]
    files: Image


def record(plan: Plan, mutant: str = "", files: Image | None = None) -> Recording:
    """A run by this plan that begins with these files."""
    with tempfile.TemporaryDirectory(prefix="qml-powerloss-") as place:
        folder = Path(place, "disk")
        folder.mkdir()
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        order, answer = Path(place, "order"), Path(place, "trace")
        order.write_bytes(pickle.dumps((plan, mutant)))
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.powerloss.recording",
                str(folder),
                str(order),
                str(answer),
            ],
            cwd=REPO,
            env=_environment(library),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the recording ended with {done.returncode}:\n{done.stderr}")
        left = {path.name: path.read_bytes() for path in folder.iterdir()}
        return Recording(pickle.loads(answer.read_bytes()), left)


def _environment(library: ModuleType) -> dict[str, str]:
    """Where the SQLite that qml would use hides its symbols, qml uses Python's own."""
    try:
        interface.symbols(library)
    except LookupError:
        return os.environ | {"QML_SQLITE": "sqlite3"}
    return dict(os.environ)


def main(arguments: Sequence[str]) -> int:
    """Run as ordered, and write the trace down."""
    folder, order, answer = map(Path, arguments)
    plan, mutant = pickle.loads(order.read_bytes())
    trace = Trace()
    lies = mutants.MUTANTS[mutant]() if mutant else mutants.honest
    Recorder(folder, trace, lies).install(interface.symbols(library))
    if plan.checkpoint is not None:
        _checkpoint_often(plan.checkpoint)
    ignored: list[Any] = []  # what a callback of ctypes raises would only be printed
    sys.unraisablehook = ignored.append
    workload.work(folder / DATABASE, plan, trace)
    if ignored:
        raise ignored[0].exc_value
    answer.write_bytes(pickle.dumps(trace.events))
    return 0


def _checkpoint_often(pages: int) -> None:
    """And cut a log that has grown beyond that, as qml does at 16 MB."""
    assert "limit_wal" in SQL
    SQL["limit_wal"] = f"PRAGMA journal_size_limit = {4096 * pages}"
    plain = connections.Connections._open

    def opened(self: connections.Connections) -> connections.Connection:
        connection = plain(self)
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        return connection

    connections.Connections._open = opened


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
