"""Mending of indexes that do not fit the rows: keys were evicted, or deleted by hand.

The rows are what counts: a row whose index entries are gone is put where it belongs, an entry
whose row is gone is taken out. All in small steps, while everybody goes on working.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ...values.errors import StorageError, StorageUnavailable
from . import schema
from .connections import Connections
from .scripts import reading, writing
from .texts import RANK, SEQ, TIME, dumps, loads, pairs

log = logging.getLogger("qml.redis")

CHECK, RESTORE = reading("check"), writing("restore")
PRUNE, PRUNE_KEYS, SETTLE = writing("prune"), writing("prune_keys"), writing("settle")
RECOUNT, RETALLY = writing("recount"), writing("retally")

EVERY = 10.0
"""Seconds between two checks, at least. It costs the server 1 us per combination of state, queue
and method, so it is made more seldom where there are many: it takes 1 % of the time at most."""

AT_ONCE = 2.0
"""Seconds that a call of ``step`` mends, at most; the next goes on."""

LOOK = 200
"""Rows that the server looks at without a pause: some milliseconds."""


class Mending:
    """Checks now and then, and mends what is wrong, a little with each call."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.begin_anew()

    def begin_anew(self) -> None:
        """A new lock, for a forked child."""
        self._turn = threading.Lock()
        self._suspected = False
        self._next_check = 0.0
        self._under_way: Iterator[None] | None = None

    def suspect(self) -> None:
        """An index entry was met that should not be there, so mend with the next step."""
        self._suspected = True

    def heed(self, wrong: tuple[str, Sequence[str]]) -> None:
        """What a script found wrong, and the ids of rows that have vanished."""
        misplaced, vanished = wrong
        warn_of_vanished(self._connections, vanished)
        if misplaced:
            self.suspect()

    def step(self) -> None:
        """Check if it is time, and go on mending if there is something to mend."""
        if self._turn.acquire(blocking=False):
            try:
                self._go_on()
            except StorageUnavailable:
                raise
            except StorageError as error:  # a full server, say: no reason not to purge it
                log.warning("%s: mending has to wait: %s", self._connections.name, error)
            finally:
                self._turn.release()

    def _go_on(self) -> None:
        mending = self._under_way or self._begun()
        self._under_way = None  # an error ends it, and the next check begins anew
        end = time.monotonic() + AT_ONCE
        for _ in mending:
            if time.monotonic() > end:
                self._under_way = mending
                return

    def _begun(self) -> Iterator[None]:
        start = time.monotonic()
        if start < self._next_check and not self._suspected:
            return iter(())
        schema.written_down(self._connections)  # FLUSHALL, or a restart, has taken it, too
        wrong = check(self._connections)
        self._next_check = start + max(EVERY, 100 * (time.monotonic() - start))
        if not wrong and not self._suspected:
            return iter(())
        self._suspected = False
        log.warning("%s: %s; mending", self._connections.name, told(wrong))
        return mend(self._connections)


def check(connections: Connections) -> list[tuple[str, int, int]]:
    """The sets that have more or fewer members than they should: name, should have, have."""
    wrong = loads(connections.read(CHECK, b"[]"))
    return sorted((name, int(should), int(has)) for name, should, has in wrong)


def told(wrong: Sequence[tuple[str, int, int]]) -> str:
    """What is wrong, for people."""
    if not wrong:
        return "jobs have vanished and left index entries behind: they were evicted or deleted"
    parts = [f"{name} has {has} of {should}" for name, should, has in wrong[:5]]
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return f"indexes do not fit the jobs ({', '.join(parts)}{more}): keys were evicted or deleted"


def mend(connections: Connections) -> Iterator[None]:
    """Make every index anew from the rows, step by step."""
    prefix = f"{connections.base}job:".encode()
    for keys in _keys(connections, "job:", "hash"):
        ids = [key[len(prefix) :].decode("utf-8", "replace") for key in keys]
        for start in range(0, len(ids), LOOK):
            _write(connections, RESTORE, ids[start : start + LOOK])
            yield
    yield from _each(connections, "lanes", SETTLE)
    for name in sorted(_index_names(connections)):
        yield from _prune(connections, name)
    yield from _each(connections, "keys", PRUNE_KEYS)
    yield from _each(connections, "tallies", RETALLY)
    yield from _retally(connections)
    how = "anew"
    while _write(connections, RECOUNT, [str(LOOK), how]) != "done":
        how = "on"
        yield
    log.info("%s: indexes are mended", connections.name)


def _index_names(connections: Connections) -> set[str]:
    base = len(connections.base.encode())
    found = [key for keys in _keys(connections, "", "zset") for key in keys]
    return {key[base:].decode("utf-8", "replace") for key in found} - {"names"}


def _keys(connections: Connections, kind: str, type_: str) -> Iterator[list[bytes]]:
    """Keys of one kind, some at a time."""
    pattern = _literally(connections.base + kind) + "*"
    cursor = b"0"
    while True:
        cursor, keys = connections.ask(
            *("SCAN", cursor, "MATCH", pattern, "COUNT", 1_000, "TYPE", type_)
        )
        yield keys
        if cursor == b"0":
            return


def _literally(text: str) -> str:
    """A pattern that fits the text only."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in text)


def _prune(connections: Connections, name: str) -> Iterator[None]:
    after = ""
    while True:
        order = [name, str(_digits(name)), after, str(LOOK)]
        after, (_, vanished) = _write(connections, PRUNE, order)
        warn_of_vanished(connections, vanished)
        yield
        if not after:
            return


def _each(connections: Connections, name: str, script: Any) -> Iterator[None]:
    """Have a script look at all that a hash has, some at a time."""
    cursor = b"0"
    while True:
        cursor, some = connections.ask(
            *("HSCAN", f"{connections.base}{name}", cursor, "COUNT", LOOK)
        )
        _write(connections, script, [key.decode("utf-8", "replace") for key, _ in pairs(some)])
        yield
        if cursor == b"0":
            return


def _retally(connections: Connections) -> Iterator[None]:
    """Tallies that have vanished: those that rows count for, and those that rows await."""
    prefix = f"{connections.base}counting:".encode()
    for keys in _keys(connections, "counting:", "zset"):
        names = [key[len(prefix) :].decode("utf-8", "replace") for key in keys]
        for start in range(0, len(names), LOOK):
            _write(connections, RETALLY, names[start : start + LOOK])
            yield
    after = "-"
    while members := connections.ask(
        *("ZRANGEBYLEX", f"{connections.base}awaiting", after, "+", "LIMIT", 0, LOOK)
    ):
        _write(connections, RETALLY, list(dict.fromkeys(map(_awaited, members))))
        after = b"(" + members[-1]
        yield


def _awaited(member: bytes) -> str:
    length, _, rest = member.partition(b":")
    return rest[: int(length)].decode("utf-8", "replace")


def _digits(name: str) -> int:
    """With how many digits the members of a set begin, after their names."""
    kind = name.partition(":")[0]
    if kind in {"all", "state", "of", "batched", "counting", "awaiting"}:
        return SEQ
    return (RANK if kind in {"ready", "laned"} else TIME) + SEQ


def _write(connections: Connections, script: Any, order: Any) -> Any:
    return loads(connections.write(script, dumps(order)))


def warn_of_vanished(connections: Connections, job_ids: Sequence[str]) -> None:
    """Say that jobs are lost."""
    for job_id in job_ids:
        log.warning(
            "%s: the record of job %s has vanished, evicted or deleted by hand; what was left of "
            "it is removed. See the eviction policy: qml doctor",
            *(connections.name, job_id),
        )
