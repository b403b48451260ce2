"""Rows stored in a caller's own transaction, on a caller's own connection to the same file."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...seam.rows import Inserted, Row
from ...values.config import SqliteConfig
from ...values.errors import ConfigurationError, StorageError, StorageUnavailable
from . import library, storing
from .library import library as sqlite
from .nested import STEP, own_texts, step
from .statements import SQL

WANTED = "a sqlite3 connection, or a SQLAlchemy Connection or Session over one"


def insert_in(config: SqliteConfig, connection: Any, rows: Sequence[Row]) -> Inserted:
    """See Transactional.insert_in."""
    _check_library(config, connection)
    try:
        _check_file(config, connection)
        if not connection.in_transaction:
            _begin(config, connection)
        return step(connection, lambda nested: storing.insert(nested, rows))
    except sqlite.Error as error:
        raise _translated(config, error) from error


def _check_library(config: SqliteConfig, connection: Any) -> None:
    """Two copies of SQLite in one process do not see each other's locks, and damage the file."""
    if isinstance(connection, sqlite.Connection):
        return
    if isinstance(connection, sqlite3.Connection):
        raise ConfigurationError(
            f"this connection is of Python's own sqlite3, while qml uses {sqlite.__name__}, and "
            f"two copies of SQLite in one process may damage the file {config.path}; set "
            f"QML_SQLITE=sqlite3 in the environment, or connect with {sqlite.__name__} (in "
            f"SQLAlchemy: create_engine(..., module={sqlite.__name__}))"
        )
    raise ConfigurationError(
        f"a {type(connection).__module__}.{type(connection).__name__} cannot take jobs of the "
        f"SQLite file {config.path} into its transaction; give {WANTED}"
    )


def _check_file(config: SqliteConfig, connection: sqlite3.Connection) -> None:
    with own_texts(connection):
        [file] = [
            file
            for _, name, file in sqlite.Cursor(connection).execute(STEP["files"])
            if name == "main"
        ]
    if not _is_same(config.path, file or ""):
        others = f", or keep the jobs in yours: Qml('sqlite:///{file}')" if file else ""
        raise ConfigurationError(
            f"this connection would commit elsewhere: its file is {file or 'in memory'}, while the "
            f"jobs are in {config.path}; connect to that one{others}"
        )


def _is_same(path: Path, file: str) -> bool:
    """By what the system says of the two. Never opened: that would drop SQLite's locks."""
    try:
        return bool(file) and os.path.samefile(path, file)
    except OSError:
        return False


def _begin(config: SqliteConfig, connection: sqlite3.Connection) -> None:
    """As Python's sqlite3 does by itself before an INSERT; but where it commits each statement at
    once, there is no transaction to take part in."""
    if connection.isolation_level is None or getattr(connection, "autocommit", None) is True:
        raise ConfigurationError(
            f"this connection to {config.path} commits each statement at once (isolation_level="
            "None, or autocommit), and no transaction is open on it; begin one before "
            "(BEGIN IMMEDIATE), or enqueue without a connection"
        )
    sqlite.Cursor(connection).execute(SQL["begin"])


def _translated(config: SqliteConfig, error: sqlite3.Error) -> StorageError:
    if library.is_busy(error):
        return StorageUnavailable(
            f"SQLite file {config.path}: {error}; your transaction could not get the write lock. "
            "Roll it back and begin it with BEGIN IMMEDIATE, which waits for its turn, and give "
            "the connection a longer timeout"
        )
    if isinstance(error, sqlite.ProgrammingError):
        return StorageError(f"SQLite file {config.path}: this connection is not usable: {error}")
    return StorageUnavailable(f"SQLite file {config.path}: {error}; roll your transaction back")
