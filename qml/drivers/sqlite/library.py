"""Which SQLite is used: the newer of Python's own and ``pysqlite3`` (extra ``[sqlite]``).

SQLite 3.7.0 to 3.51.2 can, rarely, lose or corrupt commits when two WAL connections checkpoint and
write at the same moment; 3.50.7 and 3.44.6 carry the mend too. Python's own is often older.

Two copies of SQLite in one process do not see each other's locks: a process that opens the same
file with Python's ``sqlite3`` besides must have qml do so too (``QML_SQLITE=sqlite3``).
"""

import functools
import logging
import os
import sqlite3
from types import ModuleType

from ...values.errors import ConfigurationError

log = logging.getLogger("qml.sqlite")


def _chosen() -> ModuleType:
    wanted = os.environ.get("QML_SQLITE", "")
    if wanted == "sqlite3":
        return sqlite3
    if wanted:
        raise ConfigurationError(
            f"QML_SQLITE is {wanted!r}; give sqlite3 for Python's own, or nothing for the newer one"
        )
    try:
        import pysqlite3  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return sqlite3
    newer: bool = pysqlite3.sqlite_version_info > sqlite3.sqlite_version_info
    return pysqlite3 if newer else sqlite3


library = _chosen()

BUSY, LOCKED, READONLY, IOERR, CORRUPT = 5, 6, 8, 10, 11
FULL, CANTOPEN, PROTOCOL, NOTADB = 13, 14, 15, 26


def version() -> str:
    """Which SQLite is used, for people."""
    whose = "" if library is sqlite3 else " (pysqlite3)"
    return f"SQLite {library.sqlite_version}{whose}"


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the WAL-reset fault described above."""
    if (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0):
        return False
    return (3, 7, 0) <= version < (3, 51, 3)


@functools.cache
def warn_once() -> None:
    """Say once per process that the SQLite in use has the fault, and the cure."""
    if has_wal_reset_bug(library.sqlite_version_info):
        log.warning(
            "SQLite %s can, rarely, damage a file that several connections write at once (fixed in "
            "3.51.3); to bring a mended one: pip install 'queue-me-later[sqlite]'",
            library.sqlite_version,
        )


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error; 0 when the error does not come from SQLite."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection was in the way and trying again helps."""
    return code_of(error) in (BUSY, LOCKED, PROTOCOL) or "is locked" in str(error)


def is_undecodable(error: sqlite3.Error) -> bool:
    """Whether a stored text is no UTF-8."""
    return "Could not decode to UTF-8" in str(error)


def is_malformed(error: sqlite3.Error) -> bool:
    """Whether a stored text that SQLite has to read is no JSON."""
    return "malformed JSON" in str(error)


def tolerant_text(raw: bytes) -> str:
    """A stored text, readable whatever it is."""
    return raw.decode("utf-8", "replace")
