"""One connection of the pooler to PostgreSQL, lent to one client after the other."""

import os
import socket
from multiprocessing.connection import wait

import psycopg2

from .wire import Wire, message

# A client's own, and set on the backend it is lent; PgBouncer keeps the same for a client.
TRACKED = (
    "application_name",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "standard_conforming_strings",
)
# A client is told these besides when it connects.
REPORTED = (
    "server_version",
    "server_encoding",
    "is_superuser",
    "session_authorization",
    "integer_datetimes",
    "in_hot_standby",
    "default_transaction_read_only",
)


class Backend:
    """Connected when it is needed: by psycopg2, which knows about passwords; then we use its socket
    ourselves."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg2.extensions.connection | None = None
        self._wire: Wire | None = None
        self._settings: dict[str, str] = {}

    def lend(self, settings: dict[str, str]) -> Wire:
        """The wire, with these settings and no others of those that are tracked."""
        self._drain()
        if self._wire is None:
            self._wire = self._connect()
        undo = [f"RESET {name}" for name in self._settings if name not in settings]
        do = [f"SET {name} = {_quoted(settings[name])}" for name in settings]
        if settings != self._settings:
            self._run("; ".join(undo + do))
        self._settings = dict(settings)
        return self._wire

    def note(self, name: str, value: str) -> None:
        """A client has changed a setting."""
        self._settings[name] = value

    def parameters(self) -> dict[str, str]:
        """What PostgreSQL tells a client that connects."""
        assert self._connection is not None
        status = self._connection.info.parameter_status
        told = {name: status(name) for name in REPORTED + TRACKED}
        return {name: value for name, value in told.items() if value is not None}

    def cut(self) -> None:
        """Whoever waits for the server waits no longer."""
        if self._wire is not None:
            self._wire.cut()

    def close(self) -> None:
        """The next client gets a new connection."""
        if self._wire is not None:
            self._wire.sock.close()
            self._wire = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> Wire:
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        self._connection = psycopg2.connect(self._url, connect_timeout=10, **plain)
        self._settings = {}
        sock = socket.socket(fileno=os.dup(self._connection.fileno()))
        sock.setblocking(True)
        return Wire(sock)

    def _drain(self) -> None:
        """What it said while nobody had it reaches nobody: notifications, and that it is gone."""
        try:
            while self._wire is not None and wait([self._wire], 0):
                self._wire.read()
        except (EOFError, OSError):
            self.close()

    def _run(self, sql: str) -> None:
        assert self._wire is not None
        self._wire.write([message(b"Q", sql)])
        kinds: set[bytes] = set()
        while b"Z" not in kinds:
            kinds |= {each[:1] for each in self._wire.read()}
        if b"E" in kinds:
            raise psycopg2.DataError(f"refused by the server: {sql}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
