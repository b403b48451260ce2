"""Points in the Redis driver: before a command is sent, in flight, and after the answer.

In flight = it is with the kernel, and no answer was read: the server may carry it out or not.
"""

from types import ModuleType
from typing import Any

from redis.connection import AbstractConnection

from qml.drivers.redis import driver, mending
from qml.drivers.redis.scripts import Script

from ..ledger import Ledger
from .point import Points

READS = (
    *("AUTH", "CLIENT", "GET", "HELLO", "HGET", "HSCAN", "INFO", "PING", "SCAN", "SELECT", "TIME"),
)
"""Commands that change nothing."""


def watch(points: Points, ledger: Ledger) -> None:
    """Have every connection of this process pass the points, and its number be written down: what
    it has in flight at the kill is awaited by it."""
    send = AbstractConnection.send_command
    read = AbstractConnection.read_response
    connect = AbstractConnection.connect
    names = _names(driver) | _names(mending)

    def watched_send(self: Any, *command: Any, **settings: Any) -> None:
        name = _name(names, command)
        if name is None:
            send(self, *command, **settings)
            return
        if self._sock is None:
            self.connect()  # else it would connect, and say hello, in between
        points.at(f"before {name} is sent")
        send(self, *command, **settings)
        points.happened()
        points.at(f"{name} is in flight")
        self.under_way = name

    def watched_read(self: Any, *given: Any, **settings: Any) -> Any:
        name = self.__dict__.pop("under_way", None)
        answer = read(self, *given, **settings)
        if name is not None:
            points.happened()
            points.at(f"after the answer to {name}")
        return answer

    def watched_connect(self: Any) -> None:
        was_there = self._sock is not None
        connect(self)
        if not was_there:
            send(self, "CLIENT", "ID")
            ledger.note("session", number=read(self))

    AbstractConnection.send_command = watched_send
    AbstractConnection.read_response = watched_read
    AbstractConnection.connect = watched_connect


def _names(module: ModuleType) -> dict[Any, str]:
    """The scripts of a module that write, by hash and by text."""
    scripts = [thing for thing in vars(module).values() if isinstance(thing, Script)]
    head, alone = b"\n-- place.lua\n", b"-- add.lua\n"
    writing = [one for one in scripts if head in one.text or one.text.startswith(alone)]
    return {form: script.name for script in writing for form in (script.sha, script.text)}


def _name(names: dict[Any, str], command: tuple[Any, ...]) -> str | None:
    verb = str(command[0])
    if verb in ("EVALSHA", "EVAL"):
        name = names.get(command[1])
        return name and (f"{name} by its hash" if verb == "EVALSHA" else f"{name} by its text")
    return None if verb in READS else verb
