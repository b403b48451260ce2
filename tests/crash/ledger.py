"""What happened, written outside the database: lines that a kill can cut short but never mix up.

Each process writes a file of its own, opened for appending, one ``write`` per note. A kernel may
end a killed process's write between two pages, so a last line without an end is left out.
Times are microseconds of the steady counter, which reads alike in every process.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qml.values.clock import steady_micros

Note = dict[str, Any]

ENDING = ".ledger"


class Ledger:
    """The file of one process. ``life``: the process's number, given by the controller and unlike
    its pid never used twice."""

    def __init__(self, folder: Path, life: int) -> None:
        self.life = life
        path = folder / f"{life}{ENDING}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, kind: str, **facts: Any) -> None:
        """Write one note, with the time and this process's life unless ``facts`` say otherwise."""
        self.note_all([{"kind": kind, **facts}])

    def note_all(self, notes: list[Note]) -> None:
        """Write several notes in one go."""
        at = steady_micros()
        lines = [json.dumps({"at": at, "life": self.life, **note}) + "\n" for note in notes]
        os.write(self._file, "".join(lines).encode())


def read_all(folder: Path) -> list[Note]:
    """Every whole note of every process, by time."""
    notes = [note for path in folder.glob(f"*{ENDING}") for note in _read(path)]
    return sorted(notes, key=lambda note: note["at"])


def _read(path: Path) -> Iterator[Note]:
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)
