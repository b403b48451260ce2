"""The demo's input: every regular file below a folder, links left out."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .demo_tasks import to_text

NAMESPACE = uuid.UUID("5f0e3c1e-6f0c-5c0b-9a53-0d6f6d6e716c")


class Found(NamedTuple):
    """A file as it was listed. ``text``: its path from the root, as ``to_text`` writes it."""

    text: str
    size: int
    mtime_ns: int
    job_id: str

    @classmethod
    def of(cls, text: str, size: int, mtime_ns: int) -> "Found":
        """With the id of its job: the same for the same path, size and time, another for any
        change of them."""
        job_id = uuid.uuid5(NAMESPACE, f"{text}\n{size}\n{mtime_ns}")
        return cls(text, size, mtime_ns, str(job_id))

    @property
    def arguments(self) -> list[str | int]:
        """Those of its job."""
        return [self.text, self.size, self.mtime_ns]


class Trouble(NamedTuple):
    """A file or folder that could not be read, and why."""

    text: str
    reason: str


def own_files(database: Path) -> set[tuple[int, int]]:
    """Device and inode of a SQLite file and of what lies beside it while it is open."""
    found = set()
    for end in ("", "-wal", "-shm", "-journal"):
        try:
            status = os.stat(f"{database}{end}")
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def files_below(
    folder: str, left_out: set[tuple[int, int]], names_left_out: set[str]
) -> Iterator[Found | Trouble]:
    """The files below ``folder``, folder by folder in the order of names. ``left_out``: by device
    and inode; ``names_left_out``: by path, for files that come and go."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Trouble(to_text(here), f"{type(error).__name__}: {error.strerror}")
            continue
        for entry in inside:
            if entry.path not in names_left_out and not _is_folder(entry):
                found = _look(entry, left_out)
                if found is not None:
                    yield found
        waiting += [entry.path for entry in reversed(inside) if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _look(entry: os.DirEntry[str], left_out: set[tuple[int, int]]) -> Found | Trouble | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # it went away just now
    except OSError as error:
        return Trouble(to_text(entry.path), f"{type(error).__name__}: {error.strerror}")
    if (status.st_dev, status.st_ino) in left_out:
        return None
    return Found.of(to_text(entry.path), status.st_size, status.st_mtime_ns)
