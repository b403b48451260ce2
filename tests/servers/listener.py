"""Ports of 127.0.0.1: one to keep, and a listener that serves each connection in a thread."""

import os
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import wait
from threading import Lock, Thread
from typing import Any


def reserve() -> tuple[int | None, int]:
    """A free port, and what keeps it until it is closed. Linux gives a port to nobody else while a
    socket is bound to it and does not listen, also while the server is down; elsewhere such a
    socket would keep the server from it."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        return (reserved.detach() if sys.platform == "linux" else None), port


class Listener:
    """Serves connections; shut, it refuses new ones and leaves the old ones alone."""

    def __init__(self, serve: Callable[[socket.socket], Any]) -> None:
        self._serve = serve
        self._reserved, self.port = reserve()
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._stop: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Accept connections from now on."""
        with self._lock:
            if self._stop is None:
                listening = socket.create_server(("127.0.0.1", self.port), backlog=128)
                self._stop, stopped = socket.socketpair()
                self._acceptor = Thread(target=self._accept, args=(listening, stopped), daemon=True)
                self._acceptor.start()

    def shut(self) -> None:
        """Refuse connections from now on."""
        with self._lock:
            if self._stop is not None:
                self._stop.close()
                self._stop = None
                self._acceptor.join()

    def close(self) -> None:
        """Shut it for good; its user has ended all connections, and their threads end here."""
        self.shut()
        for thread in self._threads:
            thread.join()
        if self._reserved is not None:
            os.close(self._reserved)
            self._reserved = None

    def _accept(self, listening: socket.socket, stopped: socket.socket) -> None:
        with listening, stopped:
            while stopped not in wait([listening, stopped]):
                connection, _ = listening.accept()
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                self._threads.append(Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()
