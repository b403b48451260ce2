"""Mutants of what qml and a server have between them: commits, and answers that are lost."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from qml.seam.rows import Verdict
from qml.values.errors import StorageUnavailable
from tests.servers import PostgresServer, ValkeyServer

from .. import stores


def an_insert_is_repeated_blindly() -> None:
    """An answer was lost, and the caller is told that the jobs it gives once are there already."""

    def again(insert: Callable[..., Any], *given: Any) -> Any:
        while True:
            try:
                return insert(*given)
            except StorageUnavailable:
                continue

    _around("insert", again)


def a_lost_answer_counts_as_done() -> None:
    """An outcome is taken for recorded that never came to the server."""

    def trusting(swap: Callable[..., Any], driver: Any, changes: Any) -> Any:
        try:
            return swap(driver, changes)
        except StorageUnavailable:
            return [Verdict.DONE] * len(changes)

    _around("swap", trusting)


def the_server_flushes_too_late() -> None:
    """What it acknowledged in its last moments is gone when it was killed."""
    stores.SERVERS["postgres"] = lambda: PostgresServer(durable=True, synchronous_commit="off")
    stores.SERVERS["redis"] = lambda: ValkeyServer(durable=False)


def _around(verb: str, wrapper: Callable[..., Any]) -> None:
    for driver in _drivers():
        plain = getattr(driver, verb)
        setattr(driver, verb, lambda *given, plain=plain: wrapper(plain, *given))


def _drivers() -> Iterator[Any]:
    for kind, name in (("postgres", "PostgresDriver"), ("redis", "RedisDriver")):
        yield getattr(importlib.import_module(f"qml.drivers.{kind}"), name)


MUTANTS = (
    an_insert_is_repeated_blindly,
    a_lost_answer_counts_as_done,
    the_server_flushes_too_late,
)
