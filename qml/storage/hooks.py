"""What happened to jobs, told to whoever asked: an event for each transition, once it is stored."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum

import attrs

from ..values import functions
from ..values.errors import ConfigurationError
from ..values.interrupts import is_for_the_program
from ..values.job import Job
from . import arounds
from .arounds import Around, Jobs, Store

log = logging.getLogger("qml.hooks")


class EventKind(StrEnum):
    """What may happen to a job."""

    ENQUEUED = "enqueued"
    """Stored: by a caller, a schedule, or as what follows on another's failure."""
    CLAIMED = "claimed"
    """Given to a worker."""
    SUCCEEDED = "succeeded"
    """Done."""
    RETRYING = "retrying"
    """The attempt failed, and another follows."""
    FAILED = "failed"
    """Given up."""
    DISCARDED = "discarded"
    """Its task said that it is not needed any more."""
    RELEASED = "released"
    """Handed back by its worker, the attempt not charged: a stop, a snooze."""
    LOST = "lost"
    """A worker's outcome was refused, since its claim held the job no more. ``job`` is the job as
    it was claimed."""
    RESCUED = "rescued"
    """Taken from a worker whose lease had lapsed. One that has no attempt left is ``failed``, too.
    """
    CANCELLED = "cancelled"
    """Cancelled by a caller."""
    EXPIRED = "expired"
    """Not started in time."""
    RETRIED = "retried"
    """Made ready again by a caller."""
    UPDATED = "updated"
    """Its record was written anew by a caller, whatever it changed; or by one who replaced it."""


@attrs.frozen
class Event:
    """``kind``: what happened; ``job``: to which job, as it is now; ``at``: when, in UTC."""

    kind: EventKind
    job: Job
    at: datetime


Hook = Callable[[Event], object]

Watcher = Callable[[Job, Callable[[], object]], object]
"""Called with a job that is about to run and the call that runs it, whose answer says nothing."""


class Hooks:
    """Functions to be called with events. They are called in the thread that made the change, when
    the store has it; what they raise is logged and harms nobody. And functions around the storing
    of new jobs, which may change or stop it."""

    def __init__(self) -> None:
        self._hooks: tuple[tuple[EventKind | None, Hook], ...] = ()
        self._arounds: tuple[Around, ...] = ()
        self._watchers: tuple[Watcher, ...] = ()
        self._joined: tuple[Hooks, ...] = ()

    def on(self, kind: str | None, hook: Hook) -> None:
        """Call ``hook`` with each event of this kind; None = of every kind."""
        functions.check("what on() takes", hook)
        self._hooks = (*self._hooks, (kind_of(kind), hook))

    def around_enqueue(self, around: Around) -> None:
        """Have ``around`` called when jobs are enqueued."""
        functions.check("what around_enqueue takes", around)
        self._arounds = (*self._arounds, around)

    @property
    def arounds(self) -> tuple[Around, ...]:
        """What is around the storing of new jobs, the outermost first."""
        if not self._joined:
            return self._arounds
        return sum((others.arounds for others in self._joined), self._arounds)

    def enqueuing(self, jobs: Jobs, store: Store) -> Jobs:
        """Store new jobs by ``store``, within all that was put around it; what is stored."""
        found = self.arounds
        return arounds.through(found, jobs, store) if found and jobs else store(jobs)

    def watch(self, watcher: Watcher) -> None:
        """Have ``watcher`` called around each run in a server."""
        functions.check("what watch takes", watcher)
        self._watchers = (*self._watchers, watcher)

    @property
    def watchers(self) -> tuple[Watcher, ...]:
        """Who watches runs, the outermost first."""
        if not self._joined:
            return self._watchers
        return sum((others.watchers for others in self._joined), self._watchers)

    @contextmanager
    def joined(self, others: "Hooks") -> Iterator[None]:
        """Within the block, ``others`` are told, too."""
        self._joined = (*self._joined, others)
        try:
            yield
        finally:
            left = list(self._joined)
            left.remove(others)
            self._joined = tuple(left)

    def __bool__(self) -> bool:
        """Whether anybody asked."""
        return bool(self._hooks) or any(self._joined)

    def tell(self, kind: EventKind, jobs: Iterable[Job], now: Callable[[], datetime]) -> None:
        """This happened to these jobs."""
        if (self._hooks or self._joined) and self._want(kind):
            at = now()
            for job in jobs:
                self._tell(Event(kind, job, at))

    def _want(self, kind: EventKind) -> bool:
        return any(known in (None, kind) for known, _ in self._hooks) or any(
            others._want(kind) for others in self._joined
        )

    def _tell(self, event: Event) -> None:
        for kind, hook in self._hooks:
            if kind in (None, event.kind):
                try:
                    hook(event)
                except BaseException as error:
                    if is_for_the_program(error):
                        raise
                    log.exception(
                        "a hook failed on %s of job %s (%s); the job is not harmed",
                        *(event.kind, event.job.id, event.job.method),
                    )
        for others in self._joined:
            others._tell(event)


def kind_of(kind: str | None) -> EventKind | None:
    """The kind a text names; a ConfigurationError lists those that there are."""
    if kind is None:
        return None
    try:
        return EventKind(kind)
    except ValueError:
        raise ConfigurationError(
            f"there is no event {kind!r}; give one of {', '.join(EventKind)}"
        ) from None
