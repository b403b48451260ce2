"""What an operator should know about a SQLite file: whether it can keep the promises."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ...seam.findings import Finding, Findings, Severity
from ...values.config import SqliteConfig
from ...values.figures import size
from ..statements import read_page
from . import library, place, schema
from .connections import Connections
from .library import library as sqlite

ASK = read_page("qml.drivers.sqlite", "examination.sql")

MOSTLY_FREE, WORTH_IT = 0.5, 100_000_000
"""From which share of the file, and how many bytes, free pages are worth a word."""


class Facts(NamedTuple):
    """What SQLite tells, and the settings of who asks."""

    library: str
    version: tuple[int, int, int]
    durability: str
    schema: int
    journal_mode: str
    page_size: int
    pages: int
    free_pages: int


def examine(connections: Connections, config: SqliteConfig) -> Findings:
    """Look at the file, its place and the library; change nothing."""
    where = place.look(config.path)
    facts = connections.read(lambda c: _ask(c, connections.name, config.durability))
    return [*judge(facts), *(place.judge(where) if where else ())]


def _ask(connection: sqlite3.Connection, name: str, durability: str) -> Facts:
    def number(question: str) -> int:
        return int(connection.execute(ASK[question]).fetchone()[0])

    return Facts(
        library=sqlite.__name__.partition(".")[0],
        version=sqlite.sqlite_version_info,
        durability=durability,
        schema=schema.present_version(connection, name),
        journal_mode=connection.execute(ASK["journal_mode"]).fetchone()[0],
        page_size=number("page_size"),
        pages=number("pages"),
        free_pages=number("free_pages"),
    )


def judge(facts: Facts) -> Findings:
    """What the answers mean."""
    return [
        *_library(facts),
        *_journal(facts),
        *_durability(facts),
        Finding(Severity.OK, "schema", f"version {facts.schema}, of {schema.NEWEST} known here"),
        *_space(facts),
    ]


def _library(facts: Facts) -> Iterator[Finding]:
    whose = "Python's own" if facts.library == "sqlite3" else f"of {facts.library}"
    fact = f"SQLite {'.'.join(map(str, facts.version))}, {whose}"
    if library.has_wal_reset_bug(facts.version):
        fact += ": it can, rarely, damage a file that several processes write (fixed in 3.51.3)"
        cure = "pip install 'queue-me-later[sqlite]', here and wherever servers run"
        yield Finding(Severity.WARNING, "library", fact, cure)
    else:
        yield Finding(Severity.OK, "library", fact)


def _journal(facts: Facts) -> Iterator[Finding]:
    if facts.journal_mode == "wal":
        yield Finding(Severity.OK, "journal", "write-ahead log")
        return
    fact = f"the journal mode is {facts.journal_mode}, not wal: readers and writers wait for each "
    fact += "other, and servers do not hear of new jobs"
    cure = "stop all that use the file, then: sqlite3 FILE 'PRAGMA journal_mode = wal'"
    yield Finding(Severity.WARNING, "journal", fact, cure)


def _durability(facts: Facts) -> Iterator[Finding]:
    if facts.durability == "full":
        yield Finding(Severity.OK, "durability", "full (by this URL; each program has its own)")
        return
    fact = "normal (by this URL; each program has its own): a power cut may take the last moments"
    yield Finding(Severity.NOTE, "durability", fact, "leave durability=normal out to change that")


def _space(facts: Facts) -> Iterator[Finding]:
    free, whole = facts.free_pages * facts.page_size, facts.pages * facts.page_size
    fact = f"the file has {size(whole)}, {size(free)} of it free for new jobs"
    if free > WORTH_IT and free > MOSTLY_FREE * whole:
        cure = "if the disk needs it: stop all that use the file, then sqlite3 FILE VACUUM"
        yield Finding(Severity.NOTE, "space", fact, cure)
    else:
        yield Finding(Severity.OK, "space", fact)


def verify(connections: Connections) -> Findings:
    """Have SQLite read the whole file."""
    answers = connections.read(lambda connection: connection.execute(ASK["quick_check"]).fetchall())
    told = [str(answer) for (answer,) in answers]
    if told == ["ok"]:
        return [Finding(Severity.OK, "structure", "SQLite finds the file whole (quick_check)")]
    fact = f"SQLite finds the file damaged: {'; '.join(told)}"
    cure = "stop all that use it; go back to a backup, or save what is left: sqlite3 FILE .recover"
    return [Finding(Severity.ERROR, "structure", fact, cure)]
