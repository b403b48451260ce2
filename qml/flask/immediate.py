"""Runs each job as soon as it is enqueued, through the store, and beside the caller's context."""

import contextvars
import threading
from typing import TYPE_CHECKING

from ..storage.hooks import Event, EventKind, Hooks
from ..testing.inline import drain

if TYPE_CHECKING:
    from .home import Home


class Immediate:
    """Told that a job was enqueued, it runs what is due in the calling thread: with arguments as
    JSON keeps them, each in an app context of its own, in an empty ``contextvars`` context. What a
    task raises fails its job, as on a server, and not the call that has enqueued it."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._running = threading.local()

    def hooks(self, others: Hooks) -> Hooks:
        """Hooks for the storage: this, and ``others``."""
        hooks = Hooks()
        hooks.on(EventKind.ENQUEUED, self)
        self._joined = hooks.joined(others)  # for as long as the storage lives
        self._joined.__enter__()
        return hooks

    def __call__(self, event: Event) -> None:
        """Run what is due, unless that is going on: what a job enqueues comes after it."""
        if not getattr(self._running, "now", False):
            self._running.now = True
            try:
                contextvars.Context().run(self._drain)
            finally:
                self._running.now = False

    def _drain(self) -> None:
        with self._home.app.app_context():
            drain(self._home.jobs, raises=False)
