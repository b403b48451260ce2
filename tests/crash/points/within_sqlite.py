"""Points in the SQLite driver: before and after each statement that changes something.

BEGIN and COMMIT are among them; in a batch there is one after each row.
"""

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

from qml.drivers.sqlite.library import library
from qml.drivers.sqlite.statements import SQL

from ..ledger import Ledger
from .point import Points

CHANGES = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(BEGIN|COMMIT|ROLLBACK|INSERT|UPDATE|DELETE|CREATE \w+|ALTER|DROP"
    r"|PRAGMA journal_mode)\b\s*(\w*)"
)


def watch(points: Points, ledger: Ledger) -> None:
    """Have every connection of this process pass the points."""

    class Cursor(library.Cursor):  # type: ignore[misc, name-defined]
        def execute(self, sql: str, *values: Any) -> Any:
            name = name_of(sql)
            if name is None:
                return super().execute(sql, *values)
            with points.around(name):
                return super().execute(sql, *values)

        def executemany(self, sql: str, rows: Iterable[Any]) -> Any:
            name = name_of(sql) or sql
            with points.around(name):
                return super().executemany(sql, points.between(rows, name))

    class Connection(library.Connection):  # type: ignore[misc, name-defined]
        def cursor(self, factory: Any = Cursor) -> Any:  # execute and executemany ask for one, too
            return super().cursor(factory)

    library.connect = partial(library.connect, factory=Connection)


_NAMES = {text: name for name, text in SQL.items()}

_INSERT_JOB = SQL["insert_job"].partition("{")[0]


def name_of(sql: str) -> str | None:
    """What a statement is called on its page, or how it begins; None = it changes nothing."""
    found = CHANGES.match(sql)
    if sql.startswith(_INSERT_JOB):  # what follows are the columns that the row has
        return "insert_job"
    return found and _NAMES.get(sql, " ".join(found.groups()).strip())
