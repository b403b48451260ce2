"""A TCP proxy whose faults the tests switch on: what a network does to a client and its server."""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .listener import Listener

_Gate = Callable[["_Link", bytes], bool]


@dataclass(frozen=True)
class _Trap:
    """Cuts the connection of the next request that contains a text: before it, or its reply."""

    text: bytes
    after: bool


class Proxy:
    """Listens on `port` and forwards to a server. Faults hold for all connections until `heal`.

    A request and a reply are what one read brings, which is all of it as long as it is small.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.cuts = 0  # connections that a trap has cut
        self._lock = Lock()
        self._links: set[_Link] = set()
        self._trap: _Trap | None = None
        self._silent = False
        self._delay = 0.0
        self._closed = Event()
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    @classmethod
    def to(cls, url: str) -> Self:
        """A proxy before the server of a URL."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port)

    def url_of(self, url: str) -> str:
        """The server's URL, led through this proxy."""
        parts = urlsplit(url)
        access, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{access}{at}127.0.0.1:{self.port}").geturl()

    def cut(self) -> None:
        """Close all connections now; new ones are served."""
        with self._lock:
            links = [*self._links]
        for link in links:
            link.cut()

    def cut_before_request(self, containing: bytes = b"") -> None:
        """Once: the next request that contains this is not forwarded, its connection is cut."""
        with self._lock:
            self._trap = _Trap(containing, after=False)

    def cut_after_request(self, containing: bytes = b"") -> None:
        """Once: the next request that contains this is forwarded, and when the server replies the
        connection is cut in place of the reply."""
        with self._lock:
            self._trap = _Trap(containing, after=True)

    def refuse(self) -> None:
        """Refuse new connections; those that are there go on."""
        self._listener.shut()

    def silence(self) -> None:
        """Accept and read, but let nothing through, also on the connections that are there."""
        with self._lock:
            self._silent = True

    def delay(self, seconds: float) -> None:
        """Let each reply come later."""
        with self._lock:
            self._delay = seconds

    def heal(self) -> None:
        """No faults from now on. A connection that was silent has lost bytes and is cut."""
        with self._lock:
            was_silent, self._silent = self._silent, False
            self._trap, self._delay = None, 0.0
        self._listener.open()
        if was_silent:
            self.cut()

    def close(self) -> None:
        """Cut all and listen no more."""
        self._closed.set()
        self._listener.shut()
        self.cut()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(self._upstream) as server,
        ):
            link = _Link(client, server)
            with self._lock:
                self._links.add(link)
            if self._closed.is_set():
                link.cut()
            link.run(self._passes_request, self._passes_reply)
            with self._lock:
                self._links.discard(link)

    def _passes_request(self, link: "_Link", request: bytes) -> bool:
        with self._lock:
            if self._silent or self._trap is None or self._trap.text not in request:
                return not self._silent
            link.loses_reply, self._trap = self._trap.after, None
            return link.loses_reply or self._cut(link)

    def _passes_reply(self, link: "_Link", _reply: bytes) -> bool:
        self._closed.wait(self._delay)
        with self._lock:
            return self._cut(link) if link.loses_reply else not self._silent

    def _cut(self, link: "_Link") -> bool:
        """Nothing passes."""
        self.cuts += 1
        link.cut()
        return False


class _Link:
    """A client's connection and its other half to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.loses_reply = False

    def run(self, passes_request: _Gate, passes_reply: _Gate) -> None:
        """Forward both ways until one end closes."""
        replies = Thread(
            target=self._pump, args=(self.server, self.client, passes_reply), daemon=True
        )
        replies.start()
        self._pump(self.client, self.server, passes_request)
        replies.join()

    def cut(self) -> None:
        """Close both ends, which ends `run`."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _pump(self, source: socket.socket, sink: socket.socket, passes: _Gate) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if passes(self, data):
                    sink.sendall(data)
        self.cut()
