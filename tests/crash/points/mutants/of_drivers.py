"""Mutants inside one driver: its transactions and scripts are taken apart."""

import hashlib
import os
import re
from collections.abc import Sequence
from typing import Any

from qml.drivers.postgres import connections as postgres
from qml.drivers.redis import driver as redis
from qml.drivers.redis.scripts import Script
from qml.drivers.sqlite import connections as sqlite
from qml.drivers.sqlite import schema, storing
from qml.drivers.sqlite.statements import SQL
from qml.seam.rows import Finished, Inserted, Overdue, Row, Write
from qml.values.errors import StorageUnavailable

# -- SQLite ------------------------------------------------------------------------------------


def commits_come_with_the_next_call() -> None:
    """A kill takes back what was acknowledged."""
    commit, SQL["commit"] = SQL["commit"], "SELECT 'later'"

    def first(name: str) -> None:
        plain = getattr(sqlite.Connections, name)

        def committing(self: Any, *given: Any, **named: Any) -> Any:
            if self._writer is not None and self._writer.in_transaction:
                self._writer.execute(commit)
            return plain(self, *given, **named)

        setattr(sqlite.Connections, name, committing)

    for name in ("read", "write", "outside_transaction", "close"):
        first(name)


def migrations_commit_each_statement() -> None:
    """A kill leaves half a schema, which nobody can open any more."""
    whole = schema._statements
    schema._statements = lambda script: [
        part for one in whole(script) for part in (one, SQL["commit"], SQL["begin"])
    ]


def a_dead_migrator_keeps_its_lock() -> None:
    """A kill leaves a file that nobody else will remove."""
    migrate = schema._migrate

    def locked(connection: Any, name: str) -> None:
        file = f"{name.removeprefix('SQLite file ')}.lock"
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL))
        except FileExistsError as error:
            raise StorageUnavailable(f"{name} is being migrated") from error
        migrate(connection, name)
        os.unlink(file)

    schema._migrate = locked


def payloads_are_erased_apart() -> None:
    """A kill leaves arguments without their job."""
    erase = storing.erase

    class Committing:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def execute(self, text: str, *values: Any) -> Any:
            found = self._connection.execute(text, *values)
            if text == SQL["erase_jobs"]:
                self._connection.execute(SQL["commit"])
                self._connection.execute(SQL["begin"])
            return found

    storing.erase = lambda connection, *given: erase(Committing(connection), *given)


# -- PostgreSQL --------------------------------------------------------------------------------

STATEMENT = re.compile(r"(?:\$\$.*?\$\$|.)+?(?:;\n|\Z)", re.DOTALL)
"""One of a text, with the body of a function in one piece."""


def every_statement_commits() -> None:
    """A kill leaves half a schema: BEGIN does nothing, and what is sent as one is several."""
    run = postgres.Call.run

    def alone(self: Any, text: str, values: Any) -> Any:
        if text in (self.sql["begin"], self.sql["commit"]):
            return []
        self._begin = ""
        found: Any = []
        for part in filter(str.strip, STATEMENT.findall(text)):
            found = run(self, part, values)
        return found

    postgres.Call.run = alone


# -- Redis -------------------------------------------------------------------------------------


def keys_are_set_after_the_script() -> None:
    """A kill leaves a job that does not hold its unique key."""
    redis.INSERT = _without(redis.INSERT, "redis.call('HSET', key('keys'), new_key, is[COL.id])")
    insert = redis.RedisDriver.insert

    def in_two(self: Any, rows: Sequence[Row], record: Write | None = None) -> Inserted:
        stored = insert(self, rows, record)
        for row in rows if stored.seqs else ():
            if row.unique_key and row.key_held:
                self._connections.ask(
                    "HSET", f"{self._connections.base}keys", row.unique_key, row.id
                )
        return stored

    redis.RedisDriver.insert = in_two


def rows_are_erased_after_their_places() -> None:
    """A kill leaves a job that no list has."""
    whole, erase = redis.ERASE, redis.RedisDriver.erase
    # An attribute of the module, which is where points are looked for.
    redis.PARTLY = _without(whole, "redis.call('UNLINK', key('job:' .. row[COL.id]))")

    def in_two(self: Any, target: Finished | Overdue | Sequence[str], limit: int) -> int:
        if isinstance(target, Finished | Overdue):
            return erase(self, target, limit)
        redis.ERASE = redis.PARTLY
        erased = erase(self, target, limit)
        redis.ERASE = whole
        for job_id in target:
            self._connections.ask("UNLINK", f"{self._connections.base}job:{job_id}")
        return erased

    redis.RedisDriver.erase = in_two


def _without(script: Script, line: str) -> Script:
    text = script.text.replace(line.encode(), b"")
    assert text != script.text, f"{script.name}.lua has no {line}"
    return Script(script.name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


OF = {
    "sqlite": (
        commits_come_with_the_next_call,
        migrations_commit_each_statement,
        a_dead_migrator_keeps_its_lock,
        payloads_are_erased_apart,
    ),
    "postgres": (every_statement_commits,),
    "redis": (keys_are_set_after_the_script, rows_are_erased_after_their_places),
}
