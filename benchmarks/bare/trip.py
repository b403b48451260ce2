"""One job's way from thread to thread with the database's own driver: what latency can come near.

A thread stores a row in a flushed commit and wakes a second, which claims it in another commit, and
wakes a third: as many threads, commits and hand-overs as in a server.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from qml import connect
from qml.storage.urls import parse_url

from .connection import Connection, loop_of


class Baton:
    """What one thread gives to another, which sleeps until then."""

    def __init__(self) -> None:
        self._given = threading.Condition()
        self._held: list[Any] = []

    def give(self, what: object) -> None:
        """Wake the one that takes."""
        with self._given:
            self._held.append(what)
            self._given.notify()

    def take(self) -> Any:
        """Sleep until it is there."""
        with self._given:
            while not self._held:
                self._given.wait()
            return self._held.pop()


class Way:
    """The three threads, of which the first is the caller's. ``stores`` and ``claims``: the
    connections of the first and the second."""

    def __init__(self, stores: Connection, claims: Connection) -> None:
        self._stores = stores
        self._claims = claims
        self._to_claim, self._to_run, self._back = Baton(), Baton(), Baton()
        for loop in (self._claim, self._run):
            threading.Thread(target=loop, daemon=True).start()

    def go(self) -> tuple[float, float]:
        """Seconds until the row is stored and the second thread told, and until the third runs."""
        begun = time.monotonic()
        self._stores.insert(1)
        self._to_claim.give(True)
        stored = time.monotonic()
        return stored - begun, self._back.take() - begun

    def _claim(self) -> None:
        while self._to_claim.take():
            self._to_run.give(self._claims.claim(1))
        self._to_run.give([])

    def _run(self) -> None:
        while self._to_run.take():
            self._back.give(time.monotonic())
        self._back.give(None)

    def end(self) -> None:
        """Wait for the threads to end."""
        self._to_claim.give(False)
        self._back.take()


@contextlib.contextmanager
def way(url: str) -> Iterator[Way]:
    """On the store of this URL, which is empty."""
    config = parse_url(url)
    with connect(config):  # which makes qml's tables, where it has some
        pass
    loop = loop_of(config)
    with contextlib.ExitStack() as opened:
        pair = [opened.enter_context(contextlib.closing(loop.Connection(config))) for _ in "12"]
        made = Way(*pair)
        opened.callback(made.end)
        yield made
