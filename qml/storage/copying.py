"""A whole queue from one storage to another, whatever they are: ``copy``.

FROM is only read. TO is empty or holds a beginning of the same copy, and what it lacks is added at
its end, a page at a time, each page all or none: so a copy that was killed at any moment goes on
where it was. At the end both are read from the first job to the last and compared.
"""

from collections.abc import Callable, Collection, Mapping
from itertools import islice
from uuid import uuid4

import attrs

from ..seam.rows import PROCESSING, Obstacle, Page, Row, Verdict
from ..values import jsontext
from ..values.errors import ConfigurationError, StorageError
from . import comparing, regrouping, servers
from .comparing import Difference, Kind, Tell
from .storage import Storage

LOOKED_AT = 100
"""Jobs being processed that are looked at in one step."""

NAMED = 3
"""How many of those that stand in the way a message names."""

MOST_DIFFERENCES = 100

_MARK = "copy/mark"

_ELSEWHERE = "then copy into an empty store (another file, schema_name or key_prefix)"

Progress = Callable[[str, int, int], None]
"""Is told what is done ("checking", "copying", "comparing"), how many jobs so far, of how many."""


class CopyRefused(StorageError):
    """The copy cannot begin, or cannot go on. The message says why, and what to do."""


@attrs.frozen
class Copied:
    """What became of a copy. ``copied``: jobs stored now; ``found``: those that an earlier, broken
    off copy had stored; ``records``: small documents that went over; ``source_counts``,
    ``target_counts``: jobs by state on both sides; ``differences``: what is not the same at the
    end, at most 100 of it."""

    copied: int
    found: int
    records: int
    source_counts: Mapping[str, int]
    target_counts: Mapping[str, int]
    differences: tuple[Difference, ...]

    @property
    def complete(self) -> bool:
        """Whether TO has every job of FROM as it is there, and nothing else. False = somebody
        changed one of the stores meanwhile."""
        return not self.differences and self.source_counts == self.target_counts


def copy(
    source: Storage, target: Storage, progress: Progress = lambda what, done, total: None
) -> Copied:
    """Store all jobs of ``source`` in ``target`` as they are, in their order, and compare.

    CopyRefused when a job runs in ``source``, a server works on either, or ``target`` holds
    anything else than the beginning of the same copy. Jobs that are added meanwhile are copied,
    too; whatever else changes on either side is a difference, so look whether it is ``complete``.
    Breaking it off does no harm: the next call goes on.
    """
    refuse_at_work(source)
    _refuse_servers(target)
    _refuse_one_store(source, target)
    total = sum(_counts(source).values())
    records = _missing_records(source, target)
    seq, found = _beginning(source, target, lambda n: progress("checking", n, total))
    for name, body in records.items():
        # STALE: somebody else was there, and the comparison tells whether it is the same.
        target.driver.write(name, body, 0)
    copied = _fill(source, target, seq, lambda n: progress("copying", found + n, total))
    regrouping.copy_tallies(source, target)
    differences = comparing.first_differences(
        source.driver,
        target.driver,
        MOST_DIFFERENCES,
        lambda n: progress("comparing", n, found + copied),
    )
    counts = _counts(source), _counts(target)
    refuse_at_work(source)
    return Copied(copied, found, len(records), *counts, tuple(differences))


def _counts(storage: Storage) -> dict[str, int]:
    return storage.driver.count(Page(), "state")


# -- what is refused ---------------------------------------------------------------------------


def refuse_at_work(source: Storage) -> None:
    """CopyRefused when a server works on FROM or a job runs there: its outcome would be recorded
    in FROM alone, and it would run a second time from TO."""
    _refuse_servers(source)
    running = _running(source)
    if running:
        raise CopyRefused(
            f"{source.driver.describe()} has {_some(running, 'running job')}. Let what "
            "runs come to its end and stop the workers, then copy; the leases of killed ones lapse "
            f"within {max(running.values()) / 1e6:.0f} s"
        )


def _refuse_servers(storage: Storage) -> None:
    named = [
        f"{server['name']} (last sign {max(0.0, server['silent_seconds']):.0f} s ago)"
        for server in servers.alive(storage)
        if abs(server["silent_seconds"]) < servers.SILENT
    ]
    if named:
        raise CopyRefused(
            f"{storage.driver.describe()} has {_some(named, 'server')}. Stop the servers of both "
            f"stores, then copy; a killed one counts as gone {servers.SILENT:.0f} s after its last "
            "sign"
        )


def _running(source: Storage) -> dict[str, int]:
    """What runs, and how many microseconds its lease has left. A lapsed claim is none: its job
    goes over as it is, and TO's first server rescues it."""
    now, found, looked_at = source.clock.micros(), {}, 0
    page = Page(states=(PROCESSING,), limit=LOOKED_AT)
    while rows := source.driver.scan(page._replace(offset=looked_at)):
        looked_at += len(rows)
        for row in rows:
            if row.lease_until is not None and row.lease_until > now:
                found[f"{row.id} ({row.method})"] = row.lease_until - now
    return found


def _some(named: Collection[str], what: str) -> str:
    """How many they are, and some of them by name."""
    more = f" and {len(named) - NAMED:,} more" if len(named) > NAMED else ""
    count = f"1 {what}" if len(named) == 1 else f"{len(named):,} {what}s"
    return f"{count}: {', '.join(islice(named, NAMED))}{more}"


def _refuse_one_store(source: Storage, target: Storage) -> None:
    """A store has many names (links, hosts, poolers), so a mark is left in TO and looked for in
    FROM."""
    mark = jsontext.dumps(uuid4().hex)
    known = target.driver.read(_MARK)
    version = known.version if known else 0
    if target.driver.write(_MARK, mark, version) is not Verdict.DONE:
        raise CopyRefused(f"another copy into {target.driver.describe()} began at this moment")
    seen = source.driver.read(_MARK)
    target.driver.write(_MARK, None, version + 1)  # STALE: another copy's is in its place
    if seen is not None and seen.body == mark:
        raise ConfigurationError(f"FROM and TO are the same store, {source.driver.describe()}")


def _not_a_beginning(target: Storage, found: Difference) -> CopyRefused:
    return CopyRefused(
        f"{target.driver.describe()} is neither empty nor a beginning of this copy: {found}. "
        f"It was left as it is; stop whatever changes one of them, {_ELSEWHERE}"
    )


# -- the work ----------------------------------------------------------------------------------


def _missing_records(source: Storage, target: Storage) -> dict[str, str]:
    """The records that TO lacks. They go over before the jobs: what they say about a queue shall
    hold when its jobs come."""
    ours, missing = comparing.records(source.driver), {}
    for found in comparing.of_records(ours, comparing.records(target.driver)):
        if found.kind is not Kind.ONLY_FROM:
            raise _not_a_beginning(target, found)
        missing[found.name] = ours[found.name]
    return missing


def _beginning(source: Storage, target: Storage, tell: Tell) -> tuple[int, int]:
    """How much TO has already: up to which seq of FROM, and how many jobs."""
    ours = comparing.rows(source.driver)
    seq = found = 0
    for theirs in comparing.rows(target.driver, tell):
        mine = next(ours, None)
        other = comparing.difference(source.driver, target.driver, mine, theirs)
        if other is not None:
            raise _not_a_beginning(target, other)
        seq, found = (mine and mine.seq) or 0, found + 1
    return seq, found


def _fill(source: Storage, target: Storage, seq: int, tell: Tell) -> int:
    """Store what comes after ``seq`` until nothing more does; how many jobs."""
    copied = 0
    for page in comparing.pages(source.driver, seq):
        _store(target, [comparing.as_copied(row) for row in page])
        copied += len(page)
        tell(copied)
    return copied


def _store(target: Storage, rows: list[Row]) -> None:
    """Store all or none; but where TO cannot keep one of them, such as a longer key than it can
    index, those before it are stored, and it is named."""
    try:
        _insert(target, rows)
    except StorageError as error:
        _must_be_about_a_row(error)
        for row in rows:
            _store_one(target, row)


def _store_one(target: Storage, row: Row) -> None:
    try:
        _insert(target, [row])
    except StorageError as error:
        _must_be_about_a_row(error)
        raise CopyRefused(
            f"job {row.id} ({row.method}) cannot be kept there: {error}. Change or delete it in "
            "FROM; the same copy goes on then",
            job_id=row.id,
        ) from error


def _must_be_about_a_row(error: StorageError) -> None:
    """The errors that have a name of their own are about the store: it is away, or full."""
    if type(error) is not StorageError:
        raise error


def _insert(target: Storage, rows: list[Row]) -> None:
    obstacles = target.driver.insert(rows).obstacles
    if obstacles:
        raise _in_the_way(target, rows[obstacles[0].index], obstacles[0])


def _in_the_way(target: Storage, row: Row, obstacle: Obstacle) -> CopyRefused:
    why = (
        "it is there by now, stored by another copy or by the last moment of one that was broken "
        "off. Let others end, then copy again"
    )
    if obstacle.by == "key":
        why = (
            f"its unique key {row.unique_key!r} is held by job {obstacle.holder} there. One of the "
            f"stores changed during the copy; stop whoever enqueues or works there, {_ELSEWHERE}"
        )
    return CopyRefused(
        f"job {row.id} ({row.method}) cannot be stored in {target.driver.describe()}: {why}",
        job_id=row.id,
    )
