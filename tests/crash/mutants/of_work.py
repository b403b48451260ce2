"""Mutants of what all storages share: servers, and the storage above the drivers."""

import random
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from qml import Job
from qml.storage.storage import Storage
from qml.values.errors import StorageError
from qml.work import chores, finisher, kernel


def nobody_renews() -> None:
    """Jobs longer than their lease run twice at once."""
    chores.Keeper.renew = lambda self: None


def nobody_rescues() -> None:
    """The jobs of the dead stay with them."""
    chores.Upkeep.rescue = lambda self: None


def who_is_paused_counts_as_dead() -> None:
    """Jobs are taken, before their lease lapsed, from a neighbour that will go on."""
    is_dead = kernel.is_dead

    def hasty(process: kernel.Process) -> bool:
        return is_dead(process) or kernel._line(process.pid)[0] == "T"

    kernel.is_dead = hasty


def outcomes_are_dropped() -> None:
    """One outcome in ten is never written, and its claim no longer renewed."""
    put = finisher.Finisher.put

    def careless(self: Any, run: Any, outcome: Any) -> None:
        if random.random() < 0.1:
            self._runs.remove([run])
        else:
            put(self, run, outcome)

    finisher.Finisher.put = careless


def an_enqueue_is_acknowledged_too_early() -> None:
    """A kill in between, of the client or of the server, loses what was acknowledged."""
    enqueue_many = Storage.enqueue_many

    def later(storage: Storage, jobs: list[Job]) -> None:
        with suppress(StorageError):
            enqueue_many(storage, jobs)

    def hasty(self: Storage, jobs: Iterable[Job]) -> list[Job]:
        given = list(jobs)
        threading.Timer(0.02, later, (self, given)).start()
        return given

    Storage.enqueue_many = hasty


MUTANTS = (
    nobody_renews,
    nobody_rescues,
    who_is_paused_counts_as_dead,
    outcomes_are_dropped,
    an_enqueue_is_acknowledged_too_early,
)
