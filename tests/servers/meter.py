"""A proxy that counts what passes: how often a client asks and waits, and how many bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .proxy import Proxy


@dataclass
class Traffic:
    """``asked``: requests that followed a reply, or were the first; ``sent``: bytes to the server;
    ``got``: bytes from it."""

    asked: int = 0
    sent: int = 0
    got: int = 0


class Meter(Proxy):
    """Counts over all connections; meant for a client that uses one at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._traffic = Traffic()
        self._answered = True
        super().__init__(host, port)

    def _passes_request(self, link: Any, request: bytes) -> bool:
        self._traffic.asked += self._answered
        self._answered = False
        self._traffic.sent += len(request)
        return super()._passes_request(link, request)

    def _passes_reply(self, link: Any, reply: bytes) -> bool:
        self._answered = True
        self._traffic.got += len(reply)
        return super()._passes_reply(link, reply)

    @contextmanager
    def counted(self) -> Iterator[Traffic]:
        """What passes within the block."""
        self._traffic = counting = Traffic()
        try:
            yield counting
        finally:
            self._traffic = Traffic()

    def of(self, call: Callable[[], object]) -> Traffic:
        """What a call brings about."""
        with self.counted() as traffic:
            call()
        return traffic
