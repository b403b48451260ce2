"""Brings a file's schema up to date: each migration once, in order, in one transaction."""

import sqlite3
from pathlib import Path

from ..._version import __version__
from ...values.config import SqliteConfig
from ...values.errors import MigrationError, StorageError, StorageUnavailable
from ..statements import read_page
from .connections import Connections
from .statements import SQL

MIGRATIONS = {
    int(name): text
    for name, text in read_page("qml.drivers.sqlite", "schema.sql", "migration").items()
}
NEWEST = max(MIGRATIONS)


def install(connections: Connections) -> None:
    """Apply what is missing. Several processes may do this at once: one does, the others find it
    done. A schema newer than this qml knows is a MigrationError."""
    present = connections.read(lambda c: present_version(c, connections.name))
    if present == NEWEST:
        return
    if present == 0 and not connections.may_create:
        raise StorageUnavailable(
            f"{connections.name} holds no jobs of qml, and looking makes nothing; they come with "
            "the first job or server, or are in another file"
        )
    [mode] = connections.outside_transaction(lambda c: c.execute(SQL["use_wal"]).fetchone())
    if mode != "wal":
        raise StorageError(
            f"{connections.name}: SQLite cannot keep a write-ahead log there (mode {mode}); put "
            "the file on a local disk"
        )
    connections.write(lambda connection: _migrate(connection, connections.name))


def present_version(connection: sqlite3.Connection, name: str) -> int:
    """The version of the schema in the file; 0 when there is none."""
    [there] = connection.execute(SQL["has_schema"]).fetchone()
    if not there:
        return 0
    found = connection.execute(SQL["read_meta"], {"name": "schema"}).fetchone()
    if found is None or not found[0].isdecimal():
        raise StorageError(
            f"{name} does not say of which version its schema is, as every file of qml does: it is "
            "damaged; restore it from a backup"
        )
    return int(found[0])


def remove(config: SqliteConfig) -> None:
    """Remove the file, and what SQLite keeps beside it."""
    for name in (f"{config.path}-shm", f"{config.path}-wal", config.path):
        Path(name).unlink(missing_ok=True)


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    present = present_version(connection, name)
    if present > NEWEST:
        raise MigrationError(
            f"{name} has schema version {present}, made by a newer qml; this is qml {__version__}, "
            f"which knows versions up to {NEWEST}: upgrade it (pip install -U queue-me-later)"
        )
    for version in range(present + 1, NEWEST + 1):
        for statement in _statements(MIGRATIONS[version]):
            connection.execute(statement)
    connection.execute(SQL["write_meta"], {"name": "schema", "value": str(NEWEST)})


def _statements(script: str) -> list[str]:
    """A script's statements one by one: ``executescript`` would commit the transaction first."""
    found, begun = [], ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return found
