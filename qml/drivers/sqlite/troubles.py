"""What SQLite's errors are to qml's callers."""

import sqlite3

from ...values.errors import ConfigurationError, StorageError, StorageUnavailable
from . import library

WRITABLE = (
    "whoever runs this has to be able to write the file, its -wal and -shm, and their folder; look "
    "for another owner, or a disk that is mounted read-only, then ask again"
)
CURES = {
    library.FULL: "free some space, then ask again",
    library.IOERR: "see that its disk works and has room, then ask again",
    library.READONLY: WRITABLE,
    library.CANTOPEN: WRITABLE,
}
"""What to do, by SQLite's code."""


def locked(file: str, patience: float) -> StorageUnavailable:
    """It stayed locked, for ``patience`` seconds."""
    return StorageUnavailable(
        f"{file}: another connection kept it locked for {patience:g} s; look for a long open "
        "transaction, or raise busy_timeout"
    )


def within_own(file: str) -> ConfigurationError:
    """A call of a thread that has a transaction of its own open, and would wait for itself."""
    return ConfigurationError(
        f"{file}: this thread has a transaction open (tx), and would wait for itself; enqueue "
        "within that, with using(connection=tx.connection), or make this call before the first use "
        "of tx"
    )


def broken_into(file: str) -> StorageUnavailable:
    """A call within another's transaction, by the same thread, which would wait for itself."""
    return StorageUnavailable(
        f"{file}: a signal's handler, or a finalizer (__del__), has broken into a write of its own "
        "thread, and would wait for itself; have it note what is to be done, and do that later, or "
        "in another thread"
    )


def translated(file: str, error: sqlite3.Error) -> StorageError:
    """Any other."""
    code = library.code_of(error)
    if code in (library.CORRUPT, library.NOTADB):
        return StorageError(f"{file} is damaged or no SQLite file: {error}")
    cure = CURES.get(code)
    return StorageUnavailable(f"{file}: {error}; {cure}" if cure else f"{file}: {error}")
