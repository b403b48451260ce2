"""An end to SQLite's log, where several processes write without pause.

SQLite writes the log back into the file, and begins it anew once nothing was added meanwhile. There
something always is: four processes brought it to 200 MB in 4 s, and whoever then cut it back kept
all others waiting for 120 ms. A long log is written back under the write lock instead, which takes
little, since most of it is done.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from .library import library as sqlite
from .naps import nap
from .statements import SQL

EVERY = 50
"""Commits of this process from one look at the log to the next."""

LONG = 20_000_000
"""Bytes. SQLite cuts it back to 16 MiB when it begins anew ("limit_wal"): a longer one has not."""

TRIES, SOON = 10, 0.01
"""How often others may be in the way; then the next look comes. As one naps who has waited so many
seconds."""


def is_long(path: Path) -> bool:
    """Whether the log of this file is. Nothing is opened."""
    with contextlib.suppress(OSError):
        return os.stat(f"{os.path.realpath(path)}-wal").st_size > LONG
    return False


def begin_anew(connection: sqlite3.Connection) -> bool:
    """Have the next commit begin the log anew; False = it did not come to that. No error: it is
    called when a commit has just been made, which must not be taken for one that failed."""
    with contextlib.suppress(sqlite.Error):
        for _ in range(TRIES):
            busy, _, _ = connection.execute(SQL["write_back"]).fetchone()
            if not busy:
                return True
            nap(SOON)
    return False
