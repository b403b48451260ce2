"""Points in the PostgreSQL driver: before a statement is sent, in flight, and after the answer.

In flight = it is with the kernel, and no answer was read: the server may carry it out or not.
"""

import re
from collections.abc import Mapping
from typing import Any

from qml.drivers.postgres.connections import Call
from qml.drivers.postgres.session import Session

from ..ledger import Ledger
from .point import Points

CHANGES = re.compile(
    r"\b(INSERT INTO|UPDATE \S+ SET|UPDATE \S+ AS|DELETE FROM|CREATE|ALTER|NOTIFY"
    r"|BEGIN|COMMIT|ROLLBACK|pg_advisory_xact_lock)\b"
)

PLANNED = re.compile(r"\bEXECUTE qml_(\w+)_[0-9a-f]{16}\b")
"""A statement that the session has planned, all of which change something."""


def watch(points: Points, ledger: Ledger) -> None:
    """Have every session of this process pass the points, and its number be written down: what it
    has in flight at the kill is awaited by it."""
    run, wait, connect, use = Session.run, Session._wait, Session.connect, Call.use
    pages: dict[Session, Mapping[str, str]] = {}
    under_way: list[str] = []

    def watched_use(self: Call, session: Session) -> None:
        pages[session] = self.sql
        use(self, session)

    def watched_run(
        self: Session, text: str, values: Mapping[str, Any] | None, deadline: float
    ) -> Any:
        name = name_of(pages.get(self, {}), text)
        if name is None:
            return run(self, text, values, deadline)
        points.at(f"before {name} is sent")
        under_way.append(name)
        found = run(self, text, values, deadline)
        points.happened()
        points.at(f"after the answer to {name}")
        return found

    def watched_wait(self: Session, deadline: float) -> None:
        if under_way:  # not so when it connects for a call
            points.happened()
            points.at(f"{under_way.pop()} is in flight")
        wait(self, deadline)

    def watched_connect(self: Session, deadline: float) -> None:
        sent = under_way[:]
        under_way.clear()
        connect(self, deadline)
        under_way.extend(sent)
        ledger.note("session", number=self._connection.info.backend_pid)

    Call.use, Session.run = watched_use, watched_run  # type: ignore[method-assign]
    Session._wait, Session.connect = watched_wait, watched_connect  # type: ignore[method-assign]


def name_of(sql: Mapping[str, str], text: str) -> str | None:
    """What a text is called on its page; of several, what the last is called. None = it changes
    nothing."""
    if planned := PLANNED.search(text):
        return planned[1]
    if not CHANGES.search(text):
        return None
    return max(
        (name for name, known in sql.items() if text.endswith(known)),
        key=lambda name: len(sql[name]),
        default="migration",
    )
