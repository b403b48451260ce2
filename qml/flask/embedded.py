"""A server inside of a web server: threads that run jobs in each process that serves requests."""

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..values.errors import ConfigurationError, QmlError
from ..work.server import Server
from . import hosting

if TYPE_CHECKING:
    from .home import Home

log = logging.getLogger("qml.flask")

DEFAULTS: dict[str, Any] = {"threads": 2, "grace_seconds": 5.0}
"""Fewer threads than a server's own process, as requests have to be answered meanwhile; and less
grace than web servers give a process to end in."""

SETTINGS = {"threads", "queues", "lease_seconds", "poll_interval", "grace_seconds", "name"}

AGAIN = 5.0
"""Seconds until a server that could not be started is tried again."""


def settings_of(given: Any) -> dict[str, Any] | None:
    """The settings that ``QML_EMBEDDED`` stands for; None = no server."""
    if given is None or given is False:
        return None
    if given is True:
        return DEFAULTS
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"QML_EMBEDDED is {given!r}; give True, or a dict of server settings such as "
            '{"threads": 4}'
        )
    unknown = set(map(str, given)) - SETTINGS
    if unknown:
        raise ConfigurationError(
            f"QML_EMBEDDED has {', '.join(sorted(unknown))}, which is no setting of a server; "
            f"there are {', '.join(sorted(SETTINGS))}"
        )
    return {**DEFAULTS, **given}


class Embedded:
    """The server of an app in this process, if it is to have one. It begins when the process comes
    to serve requests, in each process that a forking web server has; it ends with the process."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._settings: dict[str, Any] = {}
        self._wanted = self._forks = False
        self._forget()
        _known.add(self)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self.server: Server | None = None
        self.begun = False
        self._watch: hosting.Watch | None = None

    def want(self, settings: dict[str, Any]) -> None:
        """Begin when this process serves, or those that it forks."""
        self._settings, self._wanted = settings, True
        self._forks = hosting.is_master()
        if not self._forks:
            self._look_out()

    def _look_out(self) -> None:
        self._watch = hosting.Watch(self._begin)
        self._watch.start()

    def after_fork(self) -> None:
        """In a child: what runs in the parent does not run here."""
        awaited, self._forks = self._forks, False
        self._forget()
        if awaited:
            self._look_out()

    def at_request(self) -> None:
        """This process serves, as it was asked. No request waits for it."""
        if self._wanted and not self.begun:
            threading.Thread(target=self._begin, name="qml-begin", daemon=True).start()

    def _begin(self) -> None:
        self.begun = True
        try:
            self.start()
        except QmlError as error:
            log.error("app %s runs no jobs yet: %s", self._home.app.name, error)
            if not isinstance(error, ConfigurationError):
                again = threading.Timer(AGAIN, self._begin)
                again.daemon = True
                again.start()

    def start(self) -> Server:
        """Begin now, unless it has begun in this process; the server."""
        with self._lock:
            if self.server is None:
                with self._home.app.app_context():
                    server = self._home.jobs.server(**(self._settings or DEFAULTS))
                self.server = server.start()
                atexit.register(_end, server, os.getpid())
            return self.server


def _end(server: Server, pid: int) -> None:
    if os.getpid() == pid:  # and not a child of it, which inherits what is done at exit
        server.stop()


_known: weakref.WeakSet[Embedded] = weakref.WeakSet()


def _after_fork() -> None:
    for embedded in list(_known):
        embedded.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
