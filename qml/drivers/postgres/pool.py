"""A bounded pool of sessions: the last given back is lent first, and who finds none waits."""

import threading
import time
from collections.abc import Callable

import psycopg2

from ...values.config import PostgresConfig
from ...values.errors import StorageClosed, StorageUnavailable
from .. import forks
from . import addresses, troubles
from .session import Lost, Session, Silent

FORK_PATIENCE = 5.0
"""Seconds a fork waits for sessions that other threads begin to open: their sockets must be known,
so that the child can close them."""

PATIENCE = 2.0
"""Seconds that ``close`` waits for the calls under way."""

FOREVER = float("inf")


class Pool:
    """At most ``max_connections`` at any time. A forked child begins with none of its own, and
    leaves those of its parent be."""

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self._parameters = addresses.parameters(config)
        self.name = addresses.described(self._parameters, config.schema_name)
        self.closed = False
        self._in_child: Callable[[], None] = lambda: None
        self._fresh()
        forks.guard(self)

    def _fresh(self) -> None:
        self._lock = threading.RLock()  # guards what follows; no Ctrl-C leaves it held
        self._gate = threading.Condition(self._lock)
        self._idle: list[Session] = []
        self._lent = 0
        self._opening = 0
        self._all: set[Session] = set()

    # -- lending -------------------------------------------------------------------------------

    def take(self, until: float = FOREVER) -> Session:
        """A session for one call, by the time ``until`` or within the pool's own patience; then
        ``give_back``, which throws away what comes back in the middle of something."""
        session = self._turn(until)
        try:
            while session is not None and not session.usable:
                self.drop(session)
                with self._lock:
                    session = self._idle.pop() if self._idle else None
            return session or self.connect(until)
        except BaseException:
            self.give_back(None)
            raise

    def _turn(self, until: float) -> Session | None:
        """Wait for one's turn; an idle session, or None = one may be opened."""
        most, patience = self._config.max_connections, self._config.pool_timeout
        with self._lock:
            if self.closed or self._lent >= most:
                left = min(patience, until - time.monotonic())
                self._gate.wait_for(lambda: self.closed or self._lent < most, left)
                self._check_open()
            if self._lent >= most:
                raise StorageUnavailable(
                    f"{self.name}: all {most} connections of the pool were in use for "
                    f"{patience:g} s; raise max_connections, or let fewer threads share it"
                )
            self._lent += 1
            return self._idle.pop() if self._idle else None

    def give_back(self, session: Session | None) -> None:
        """The call is over; None = there was no session to be had."""
        if session is not None and not session.at_rest:
            self.drop(session)
            session = None
        with self._lock:
            self._lent -= 1
            if session is not None:
                self._idle.append(session)
            if self.closed:
                self._close_idle()
            self._gate.notify()

    def _check_open(self) -> None:
        if self.closed:
            raise StorageClosed(f"{self.name}: this storage is closed; connect again")

    # -- opening -------------------------------------------------------------------------------

    def connect(self, until: float = FOREVER) -> Session:
        """A new session, which is not counted. Each host of the URL is tried in turn."""
        fault = "it has no host"
        for parameters in addresses.each_host(self._parameters):
            deadline = min(until, time.monotonic() + self._config.connect_timeout)
            try:
                return self._connect(parameters, deadline)
            except Silent:
                fault = f"no answer came within {self._config.connect_timeout:g} s"
            except (psycopg2.Error, Lost) as error:
                fault = troubles.told(error, self._config.database_url)
        # The library's error may quote the URL, so it is no cause.
        raise StorageUnavailable(f"{self.name} cannot be reached: {fault}; {troubles.cure(fault)}")

    def _connect(self, parameters: addresses.Parameters, deadline: float) -> Session:
        with self._lock:
            self._opening += 1
        session = None
        try:
            session = Session(parameters)
        finally:
            with self._lock:
                self._opening -= 1
                if session is not None:
                    self._all.add(session)
                self._gate.notify_all()
        try:
            session.connect(deadline)
        except BaseException:
            self.drop(session)
            raise
        return session

    def drop(self, session: Session) -> None:
        """Close a session for good: under the gate, so that no fork comes in between."""
        with self._lock:
            session.close()
            self._all.discard(session)

    def backends(self) -> set[int]:
        """The processes of the server that its sessions are served by."""
        with self._lock:
            return {session.backend for session in self._all}

    # -- the end, and forks --------------------------------------------------------------------

    def close(self) -> None:
        """Close every session, after what is under way. Later calls are StorageUnavailable."""
        with self._lock:
            self.closed = True
            self._gate.notify_all()
            self._gate.wait_for(lambda: self._lent == 0, PATIENCE)
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self.drop(self._idle.pop())

    def before_fork(self) -> None:
        """Know every socket, and let nobody in."""
        self._gate.acquire()
        self._gate.wait_for(lambda: self._opening == 0, FORK_PATIENCE)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._gate.release()

    def after_fork_in_child(self) -> None:
        """Begin anew, with nothing inherited."""
        for inherited in self._all:
            inherited.abandon()
        self._fresh()
        self._in_child()

    def when_forked(self, begin_anew: Callable[[], None]) -> None:
        """Have ``begin_anew`` called in a forked child, for whoever has locks of his own."""
        self._in_child = begin_anew
