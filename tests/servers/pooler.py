"""A small pooler for PostgreSQL that works as PgBouncer does with ``pool_mode = transaction``.

A client has a backend for the length of a transaction, and backends go round, so that whoever needs
a session (LISTEN, SET, advisory locks, temporary tables, prepared statements) loses it.

Nothing can be cancelled through it: psycopg2 keeps the GIL while it waits for a cancel to be taken,
so a pooler (or a proxy) in the same process could never take it.
"""

import contextlib
import socket
from collections.abc import Iterator
from multiprocessing.connection import wait
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psycopg2

from .backend import TRACKED, Backend
from .listener import Listener
from .wire import GSS, PROTOCOL, SSL, Turn, Wire, error, message, read_startup

CANONICAL = {name.lower(): name for name in TRACKED}


class Pooler:
    """Clients connect to `url`, as many as like; no password is asked for."""

    def __init__(self, url: str, backends: int = 2) -> None:
        self._backends = [Backend(url) for _ in range(backends)]
        self._idle: SimpleQueue[Backend] = SimpleQueue()
        for backend in self._backends:
            self._idle.put(backend)
        self._lock = Lock()
        self._clients: set[_Client] = set()
        self._parameters: dict[str, str] = {}
        self._closed = False
        self._listener = Listener(self._serve)
        self.port = self._listener.port
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}{urlsplit(url).path}"

    @contextlib.contextmanager
    def backend(self) -> Iterator[Backend]:
        """The one that has been idle longest; after an error its session is not used again."""
        backend = self._idle.get()
        try:
            if self._closed:
                raise EOFError
            yield backend
        except BaseException:
            backend.close()
            raise
        finally:
            self._idle.put(backend)

    def parameters(self) -> dict[str, str]:
        """What PostgreSQL tells a client that connects; asked once, so that none waits for it."""
        if not self._parameters:
            with self.backend() as backend:
                backend.lend({})
                self._parameters = backend.parameters()
        return self._parameters

    def close(self) -> None:
        """Cut all clients and backends."""
        self._closed = True
        self._listener.shut()
        with self._lock:
            ends = [*self._clients, *self._backends]
        for end in ends:
            end.cut()
        self._listener.close()
        for backend in self._backends:
            backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self, sock: socket.socket) -> None:
        client = _Client(self, Wire(sock))
        with self._lock:
            self._clients.add(client)
        with sock, contextlib.suppress(EOFError, OSError):
            if not self._closed:
                client.run()
        with self._lock:
            self._clients.remove(client)


class _Client:
    """A client's connection, which has a backend now and then."""

    def __init__(self, pooler: Pooler, wire: Wire) -> None:
        self.pooler, self.wire = pooler, wire
        self.settings: dict[str, str] = {}

    def run(self) -> None:
        """Until it leaves. EOFError and OSError: it has left, or the backend."""
        try:
            if self._connects():
                while True:
                    self._transaction(self.wire.read())
        except psycopg2.Error as failure:
            self.wire.write([error("08006", str(failure))])

    def cut(self) -> None:
        """Whoever waits for it waits no longer."""
        self.wire.cut()

    def _connects(self) -> bool:
        code, body = read_startup(self.wire.sock)
        while code in (SSL, GSS):
            self.wire.sock.sendall(b"N")
            code, body = read_startup(self.wire.sock)
        refusal = "unsupported protocol" if code != PROTOCOL else self._accept(body)
        if refusal:
            self.wire.write([error("08P01", refusal)])
            return False
        self._greet()
        return True

    def _accept(self, body: bytes) -> str:
        """Take the startup's parameters; what is wrong with them."""
        words = body.decode().split("\0")
        for name, value in zip(words[::2], words[1::2], strict=False):
            if name.lower() in CANONICAL:
                self.settings[CANONICAL[name.lower()]] = value
            elif name not in ("", "user", "database"):
                return f"unsupported startup parameter: {name}"
        return ""

    def _greet(self) -> None:
        told = self.pooler.parameters() | self.settings
        self.wire.write(
            [
                message(b"R", bytes(4)),
                *(message(b"S", name, value) for name, value in told.items()),
                message(b"K", bytes(8)),
                message(b"Z", b"I"),
            ]
        )

    def _transaction(self, asked: list[bytes]) -> None:
        if not asked:
            return
        if asked[0][:1] == b"X":  # it needs no backend for that
            raise EOFError
        with self.pooler.backend() as backend:
            self._talk(backend, asked)

    def _talk(self, backend: Backend, asked: list[bytes]) -> None:
        """Forward both ways until the transaction is over."""
        server, turn = backend.lend(self.settings), Turn()
        self._ask(server, asked, turn)
        while not turn.over:
            ready = wait([self.wire, server])
            if self.wire in ready:
                self._ask(server, self.wire.read(), turn)
            if server in ready:
                self._answer(backend, server.read(), turn)

    def _ask(self, server: Wire, asked: list[bytes], turn: Turn) -> None:
        for each in asked:
            turn.ask(each)
        server.write(asked)

    def _answer(self, backend: Backend, answers: list[bytes], turn: Turn) -> None:
        for each in answers:
            turn.answer(each)
            if each[:1] == b"S":
                name, value = each[5:-1].decode().split("\0")
                if name in TRACKED:
                    self.settings[name] = value
                    backend.note(name, value)
        self.wire.write(answers)
