"""What SQLite's errors are to qml's callers."""

import sqlite3

from ...values.errors import StorageError, StorageUnavailable
from . import library


def locked(file: str, patience: float) -> StorageUnavailable:
    """It stayed locked, for ``patience`` seconds."""
    return StorageUnavailable(
        f"{file}: another connection kept it locked for {patience:g} s; look for a long open "
        "transaction, or raise busy_timeout"
    )


def translated(file: str, error: sqlite3.Error) -> StorageError:
    """Any other."""
    code = library.code_of(error)
    if code in (library.CORRUPT, library.NOTADB):
        return StorageError(f"{file} is damaged or no SQLite file: {error}")
    if code == library.FULL:
        return StorageUnavailable(f"{file}: {error}; free some space, then ask again")
    return StorageUnavailable(f"{file}: {error}")
