"""Servers that share a machine see at once when one of them was killed, and end its claims.

The lease is what everybody can tell that a server is gone by, wherever it was. On the same machine
the kernel knows better: a process that is no more will record nothing, nor run on.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ..storage import servers
from ..storage.storage import Storage
from . import kernel
from .kernel import Process

log = logging.getLogger("qml.server")


def facts() -> dict[str, Any]:
    """What a server tells others of its process, so that they know it by that; nothing where the
    kernel does not tell."""
    process = kernel.this()
    return {} if process is None else {"machine": process.machine, "born": process.born}


class Neighbours:
    """Those of the servers of a store that are processes of this machine."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, Process] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._known)

    def know(self, told: Iterable[Mapping[str, Any]]) -> None:
        """What all servers tell of themselves, each with its ``name``."""
        here = kernel.this()
        self._known = {
            each["name"]: process
            for each in told
            if here is not None
            and (process := _process(each))
            and process.machine == here.machine
            and process != here  # its own end it does not see
        }

    def bury(self) -> int:
        """End the claims of those that have died, and strike them off; how many claims. What fails
        is done at the next time."""
        ended = 0
        for name, process in [*self._known.items()]:
            if kernel.is_dead(process):
                ended += self._storage.end_claims(name)
                servers.leave(self._storage, name)
                self._known.pop(name, None)
        return ended


def _process(told: Mapping[str, Any]) -> Process | None:
    process = Process(told.get("machine", ""), told.get("pid", 0), told.get("born", 0))
    whole = isinstance(process.machine, str) and all(
        isinstance(number, int) and number > 0 for number in process[1:]
    )
    return process if whole else None
