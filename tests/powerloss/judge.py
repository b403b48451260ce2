"""Opens what a power loss left, and names what must not be.

Twice, each time as the power loss left it: with stock SQLite, which has to find the file whole; and
with qml, whose answers are held against what it had promised.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from qml import Job
from qml.drivers.sqlite.library import library
from qml.testing import ManualClock

from .commits import digest
from .promises import Ledger, Promises, is_same
from .workload import open_storage

ORPHANS = """
SELECT 'job ' || id || ' has no payload' FROM qml_jobs
WHERE seq NOT IN (SELECT seq FROM qml_payloads)
UNION ALL
SELECT 'payload ' || seq || ' has no job' FROM qml_payloads
WHERE seq NOT IN (SELECT seq FROM qml_jobs) AND body <> ''
UNION ALL
SELECT 'job ' || id || ' is ' || state || ' and has key_held ' || key_held FROM qml_jobs
WHERE key_held <> CASE
    WHEN unique_key IS NULL OR state IN ('succeeded', 'failed', 'deleted') THEN 0
    WHEN unique_while = 'unfinished' THEN 2
    WHEN fence = 0 THEN 1
    ELSE 0
END
"""


class Found(NamedTuple):
    """What stock SQLite found. ``digest``: of the database; None = there is nothing in it yet.
    ``versions``: of the jobs, by id."""

    faults: list[str]
    digest: bytes | None
    database: bytes
    versions: dict[str, int]


def look(folder: Path, name: str) -> Found:
    """Let stock SQLite recover the file, check all of it, and write its log back into it."""
    path = folder / name
    try:
        with closing(library.connect(path, isolation_level=None)) as connection:
            faults = [*_damage(connection)]
            [there] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            versions = {}
            if there and not faults:
                faults += [fault for (fault,) in connection.execute(ORPHANS)]
                versions = dict(connection.execute("SELECT id, version FROM qml_jobs"))
            connection.execute("PRAGMA synchronous = OFF")  # what it writes now is thrown away
    except library.Error as error:
        return Found([f"SQLite: {error}"], None, b"", {})
    content = path.read_bytes()
    return Found(faults, digest(content) if there else None, content, versions)


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"integrity_check: {line}"


def read(folder: Path, name: str) -> list[Job]:
    """All jobs, by a qml that finds the file there."""
    with open_storage(folder / name, "full", ManualClock()) as storage:
        return storage.list()


def kept(found: Mapping[str, Job], promises: Promises) -> Iterator[str]:
    """What was acknowledged and is not there. Durability "normal" may lose it."""
    for job_id, job in promises.floors.items():
        there = found.get(job_id)
        if there is None:
            if job_id not in promises.may_be_gone:
                yield f"job {job_id}, acknowledged as {_told(job)}, is lost"
        elif there.version < job.version:
            yield f"job {job_id}, acknowledged as {_told(job)}, is {_told(there)}"
    for job_id in promises.gone & found.keys():
        yield f"job {job_id}, acknowledged as removed, is back"


def true(found: Mapping[str, Job], promises: Promises, ledger: Ledger) -> Iterator[str]:
    """What is there and never was so. No durability allows that."""
    for job_id, job in found.items():
        known = ledger.versions.get(job_id, {}).get(job.version)
        if job_id not in promises.asked:
            yield f"job {job_id} is there, and nobody had enqueued it"
        elif known is None:
            yield f"job {job_id} is {_told(job)}, which it never was"
        elif not is_same(job, known):
            yield f"job {job_id} is not what it was in version {job.version}: {job}, {known}"
    for call in ledger.calls:
        ids = {*call.called.ids} - promises.may_be_gone
        if call.called.verb == "enqueue" and len(ids & found.keys()) not in (0, len(ids)):
            yield f"of {len(ids)} jobs of one call {len(ids & found.keys())} are there"


def _told(job: Job) -> str:
    return f"{job.state.kind} (version {job.version}, fence {job.fence})"
