"""Breaks of qml, and of the disk, that the power loss must find; made in the recording process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qml import Job
from qml.drivers.sqlite.statements import SQL
from qml.storage.storage import Storage

Lies = Callable[[str], bool]


def honest(name: str) -> bool:
    """No sync is a lie."""
    return False


def _pragma(setting: str) -> Lies:
    for statement in ("sync_full", "sync_normal"):
        assert statement in SQL
        SQL[statement] = f"PRAGMA synchronous = {setting}"
    return honest


def nothing_is_synced() -> Lies:
    """Under the driver's back synchronous is OFF."""
    return _pragma("OFF")


def commits_are_not_synced() -> Lies:
    """It claims full durability, and every commit is made with synchronous NORMAL."""
    return _pragma("NORMAL")


def ends_are_not_synced() -> Lies:
    """A finish is taken for something that a power loss may take back, as a claim is."""
    from qml.drivers.sqlite import changing
    from qml.drivers.sqlite.driver import SqliteDriver

    SqliteDriver.swap = lambda self, changes: self._connections.write(
        lambda connection: changing.swap(connection, changes), flush=False
    )
    return honest


def an_enqueue_is_acknowledged_too_early() -> Lies:
    """The answer is given while the commit is still to be made."""
    later = ThreadPoolExecutor(1)
    enqueue_many = Storage.enqueue_many

    def hasty(self: Storage, jobs: list[Job]) -> list[Job]:
        later.submit(enqueue_many, self, jobs)
        return jobs

    Storage.enqueue_many = hasty
    return honest


def who_is_carried_is_told_too_early() -> Lies:
    """Before the commit of another thread that is to keep what he did."""
    from qml.drivers.sqlite.turns import Turns

    carry, together = Turns.carry, Turns.together

    def tell(step: Any) -> None:
        for other in step.carries:
            other.call()
        step.carries = ()

    def hasty(self: Turns, step: Any, connection: Any) -> None:
        carry(self, step, connection)
        tell(step)

    def hasty_rows(self: Turns, step: Any, deadline: float) -> Any:
        work = together(self, step, deadline)

        def and_tell(connection: Any) -> Any:
            result = work(connection)
            tell(step)
            return result

        return and_tell

    Turns.carry, Turns.together = hasty, hasty_rows  # type: ignore[method-assign]
    return honest


def a_batch_is_stored_in_parts() -> Lies:
    """Job by job, each in a transaction of its own."""
    enqueue_many = Storage.enqueue_many

    def singly(self: Storage, jobs: list[Job]) -> list[Job]:
        return [stored for job in jobs for stored in enqueue_many(self, [job])]

    Storage.enqueue_many = singly
    return honest


def the_disk_lies() -> Lies:
    """It acknowledges syncs that it does not do."""
    return lambda name: True


def the_disk_lies_about_the_log() -> Lies:
    """Commits are not kept."""
    return lambda name: name.endswith("-wal")


def the_disk_lies_about_the_database() -> Lies:
    """A checkpoint is not kept, and the log begins anew."""
    return lambda name: name.endswith(".db")


def the_disk_lies_about_the_folder() -> Lies:
    """A log that was made anew has no name."""
    return lambda name: name == ""


MUTANTS: dict[str, Callable[[], Lies]] = {
    mutant.__name__: mutant
    for mutant in (
        nothing_is_synced,
        commits_are_not_synced,
        ends_are_not_synced,
        an_enqueue_is_acknowledged_too_early,
        who_is_carried_is_told_too_early,
        a_batch_is_stored_in_parts,
        the_disk_lies,
        the_disk_lies_about_the_log,
        the_disk_lies_about_the_database,
        the_disk_lies_about_the_folder,
    )
}
