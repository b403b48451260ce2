"""Runs each job as soon as it is enqueued, through the store, and beside the caller's context."""

import logging
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..storage import foreign
from ..storage.hooks import Event, EventKind, Hooks
from ..testing.inline import drain

if TYPE_CHECKING:
    from .home import Home

log = logging.getLogger("qml.flask")


class Immediate:
    """Told that a job was enqueued, it runs what is due in the calling thread: with arguments as
    JSON keeps them, each in an app context of its own, in an empty ``contextvars`` context. What a
    task raises fails its job, as on a server, and not the call that has enqueued it."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._running = threading.local()
        self._joined = ExitStack()
        self._used: WeakSet[Any] = WeakSet()

    def hooks(self, others: Hooks) -> Hooks:
        """Hooks for the storage: ``others``, and then this."""
        hooks, mine = Hooks(), Hooks()
        mine.on(EventKind.ENQUEUED, self)
        for joined in (others, mine):
            self._joined.enter_context(hooks.joined(joined))  # for as long as the storage lives
        return hooks

    def __call__(self, event: Event) -> None:
        """A job is stored."""
        self.run()

    def run(self) -> None:
        """Run what is due, unless that is going on: what a job enqueues comes after it."""
        if not getattr(self._running, "now", False):
            self._running.now = True
            try:
                with self._home.app.app_context():  # which says whose store; each job has its own
                    drain(self._home.jobs, raises=False)
            finally:
                self._running.now = False

    def after(self, connection: Any) -> None:
        """Run what is due once the transaction has ended that a job is stored in now. Only a
        session of SQLAlchemy tells when that is."""
        session = foreign.session(connection)
        if session is None:
            return
        from sqlalchemy import event

        self._used.add(session)
        if not event.contains(session, "after_transaction_end", self._ended):
            event.listen(session, "after_transaction_end", self._ended)

    def _ended(self, session: Any, transaction: Any) -> None:
        if transaction.parent is None and session in self._used:  # and not a savepoint
            self._used.discard(session)
            try:
                self.run()
            except Exception:
                log.exception("jobs of a transaction that has ended could not be run")
