"""What SQLite's errors are to qml's callers."""

import sqlite3
import stat
from pathlib import Path

from ...values.errors import StorageError, StorageUnavailable
from . import library


def look_before(path: Path, file: str) -> None:
    """StorageUnavailable, where SQLite would only say that it cannot open the file."""
    try:
        if not path.parent.is_dir():
            raise StorageUnavailable(f"{file}: the folder {path.parent} does not exist")
        if stat.S_ISDIR(path.stat().st_mode):
            raise StorageUnavailable(f"{file}: it is a folder; give the file's path within it")
    except FileNotFoundError:
        return
    except OSError as error:  # a folder that is closed to this user, a name that is too long
        raise StorageUnavailable(f"{file}: {error.strerror}") from error


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
