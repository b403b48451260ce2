"""Real servers that the tests of many mutants share, one after the other."""

import os
import threading
from typing import Self

from tests.servers import PostgresServer, ValkeyServer

KINDS = {
    "postgres": ("QML_TEST_POSTGRES_URL", PostgresServer),
    "redis": ("QML_TEST_REDIS_URL", ValkeyServer),
}


class Servers:
    """Each thread has its own, started when it first asks: tests look at what a whole server does,
    such as its deadlocks, and must not take another mutant's for theirs."""

    def __init__(self) -> None:
        self._mine = threading.local()
        self._starting = threading.Lock()  # the first makes what all others are copied from
        self._all: list[PostgresServer | ValkeyServer] = []

    def urls(self, tests: tuple[str, ...], select: str) -> dict[str, str]:
        """What to put into the environment of tests that may ask for a server."""
        text = f"{select} {' '.join(tests)}"
        return {
            variable: self._url(kind)
            for kind, (variable, _) in KINDS.items()
            if variable not in os.environ and (not select or kind in text)
        }

    def _url(self, kind: str) -> str:
        url: str | None = getattr(self._mine, kind, None)
        if url is None:
            _, make = KINDS[kind]
            with self._starting:
                server = make().start()
                self._all.append(server)
            url = server.url
            setattr(self._mine, kind, url)
        return url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for server in self._all:
            server.close()
