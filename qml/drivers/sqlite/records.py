"""Records: small named documents with a version."""

import sqlite3

from ...seam.rows import Verdict
from .statements import SQL


def write(connection: sqlite3.Connection, name: str, body: str | None, expected: int) -> Verdict:
    """Store or remove a record, if its version is the expected one."""
    values = {"name": name, "body": body, "expected": expected}
    if body is None and expected == 0:
        done = connection.execute(SQL["read_record"], values).fetchone() is None
    else:
        statement = "remove_record" if body is None else "change_record"
        if body is not None and expected == 0:
            statement = "create_record"
        done = connection.execute(SQL[statement], values).rowcount == 1
    return Verdict.DONE if done else Verdict.STALE
