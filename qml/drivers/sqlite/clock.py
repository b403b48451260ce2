"""One clock for all processes that share a file, whatever happens to the machine's own.

The first process since the machine's start writes down how far the machine's clock is ahead of
its steady counter; all others add that to the counter, which reads alike in every process. So a
process whose clock is wrong, or a clock that is set back and forth, claims nothing early and
frees nothing early. A correction that lasts is followed: by at most one second in ten.
"""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from ...values.clock import steady_micros
from .connections import Connections
from .statements import SQL

STEP = 1_000_000
EVERY = 10_000_000
IGNORED = 100_000


def boot_id() -> str | None:
    """What tells this start of the machine from all others; None where the system has no such
    thing, and with it no counter that all processes share."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


class SharedClock:
    """The clock kept in a file's ``qml_meta`` table. Times are microseconds since 1970 UTC."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._boot = boot_id()

    def micros(self) -> int:
        """Now. Writes only when there is something to write down."""
        if self._boot is None:
            return time.time_ns() // 1000
        stored = self._connections.read(self._read)
        if self._connections.may_create and self._due_step(stored) != 0:
            stored = self._connections.write(self._follow)
        if not stored:  # an onlooker writes nothing down
            return time.time_ns() // 1000
        return steady_micros() + int(stored["offset"])

    def _read(self, connection: sqlite3.Connection) -> dict[str, Any]:
        row = connection.execute(SQL["read_meta"], {"name": "clock"}).fetchone()
        stored: dict[str, Any] = json.loads(row[0]) if row else {}
        return stored if stored.get("boot") == self._boot else {}

    def _due_step(self, stored: dict[str, Any]) -> int | None:
        """By how much the offset should change now; None = there is none for this boot."""
        if not stored:
            return None
        apart = time.time_ns() // 1000 - steady_micros() - stored["offset"]
        if abs(apart) < IGNORED or steady_micros() - stored["at"] < EVERY:
            return 0
        return max(-STEP, min(STEP, int(apart)))

    def _follow(self, connection: sqlite3.Connection) -> dict[str, Any]:
        stored = self._read(connection)
        step = self._due_step(stored)
        if step == 0:
            return stored
        offset = (
            time.time_ns() // 1000 - steady_micros() if step is None else stored["offset"] + step
        )
        new = {"boot": self._boot, "offset": offset, "at": steady_micros()}
        parameters = {"name": "clock", "value": json.dumps(new)}
        connection.execute(SQL["write_meta"], parameters)
        return new
