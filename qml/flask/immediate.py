"""Runs each job as soon as it is enqueued, through the store, and beside the caller's context."""

import threading
from contextlib import ExitStack
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
        self._joined = ExitStack()

    def hooks(self, others: Hooks) -> Hooks:
        """Hooks for the storage: ``others``, and then this."""
        hooks, mine = Hooks(), Hooks()
        mine.on(EventKind.ENQUEUED, self)
        for joined in (others, mine):
            self._joined.enter_context(hooks.joined(joined))  # for as long as the storage lives
        return hooks

    def __call__(self, event: Event) -> None:
        """Run what is due, unless that is going on: what a job enqueues comes after it."""
        if not getattr(self._running, "now", False):
            self._running.now = True
            try:
                with self._home.app.app_context():  # which says whose store; each job has its own
                    drain(self._home.jobs, raises=False)
            finally:
                self._running.now = False
