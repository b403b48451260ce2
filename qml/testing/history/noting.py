"""What is noted of one call: that it began, what it was answered, and what it did besides."""

import builtins
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...storage import checks
from ...storage.hooks import Event
from ...storage.queues import Queues
from ...storage.schedules import Known, Schedules
from ...storage.storage import Storage
from ...values.errors import (
    ConcurrentModification,
    ConfigurationError,
    InvalidTransition,
    JobAlreadyExists,
    JobNotFound,
    QmlError,
    SerializationError,
    UniqueKeyTaken,
    WaitTimeout,
)
from ...values.job import Job
from ...values.times import span_micros
from .facts import facts
from .journal import Journal, Note

ANSWERS: dict[type[QmlError], str] = {
    JobAlreadyExists: "exists",
    UniqueKeyTaken: "taken",
    JobNotFound: "absent",
    ConcurrentModification: "stale",
    InvalidTransition: "invalid",
    WaitTimeout: "nothing",
    ConfigurationError: "nothing",  # what was given could not be used, and was not
    SerializationError: "nothing",
}
"""Errors that are answers. After any other nobody knows whether the call took effect."""


ALSO: dict[str, dict[str, str]] = {
    "claim": {"expired": "expire"},
    "expire": {"expired": "expire"},
    "place": {"enqueued": "enqueue", "updated": "replace"},
    "finish": {"enqueued": "enqueue"},
    "finish_in": {"enqueued": "enqueue"},
    "rescue": {"enqueued": "enqueue"},
    "cancel_many": {"cancelled": "cancel"},
    "retry_many": {"retried": "retry"},
    "issue": {"enqueued": "enqueue"},
}
"""What calls do beside what their answers tell: kinds of events, and the operations they are."""


class Noting:
    """Notes the calls of one storage in a journal; hears from its events what they do besides."""

    def __init__(self, storage: Storage, journal: Journal) -> None:
        self._clock = storage.clock
        self._journal = journal
        self._hearing = threading.local()
        storage.hooks.on(None, self._hear)

    def _hear(self, event: Event) -> None:
        """What a call that is under way in this thread has done besides."""
        verb = ALSO.get(getattr(self._hearing, "verb", ""), {}).get(event.kind)
        if verb is not None:
            self._hearing.also.append([verb, facts(event.job)])

    @contextmanager
    def noted(self, verb: str, given: Any) -> Iterator[Note]:
        """The reply to fill in. A process that dies leaves none, an error that is no answer
        ``{"error": "unknown"}``."""
        number = self._journal.begin(self._clock, verb, given)
        reply: Note = {"error": "unknown"}
        self._hearing.verb, self._hearing.also = verb, []
        try:
            yield reply
        except QmlError as error:
            reply.clear()
            reply |= {"error": ANSWERS.get(type(error), "unknown"), "job": error.job_id}
            raise
        else:
            del reply["error"]
        finally:
            if self._hearing.also:  # also before an error
                reply["also"] = self._hearing.also
            self._hearing.verb = ""
            self._journal.end(self._clock, number, reply)


class RecordedQueues(Queues):
    """Notes what is paused, and what goes on."""

    def __init__(self, *given: Any) -> None:
        *those, self._noted = given
        super().__init__(*those)

    def pause(self, name: str) -> None:
        """Noted."""
        with self._noted("pause", name):
            super().pause(name)

    def resume(self, name: str) -> bool:
        """Noted with the answer."""
        with self._noted("resume", name) as reply:
            reply["told"] = resumed = super().resume(name)
        return resumed


class RecordedSchedules(Schedules):
    """Notes what is issued and triggered."""

    def __init__(self, *given: Any) -> None:
        *those, self._noted = given
        super().__init__(*those)

    def issue(self, known: Known) -> builtins.list[Job]:
        """Noted with the jobs as stored."""
        with self._noted("issue", None):
            return super().issue(known)

    def trigger(self, name: str) -> Job:
        """Noted with the job as stored."""
        with self._noted("issue", None):
            return super().trigger(name)


def lease(seconds: float | None) -> int:
    """Microseconds of a lease as given; None = as long as is usual."""
    return micros(checks.DEFAULT_LEASE if seconds is None else seconds)


def micros(seconds: object) -> int:
    """A span as given; 0 for what is no span, which the storage will refuse."""
    usable = isinstance(seconds, int | float) and 0 < seconds < 1e11
    return span_micros(seconds) if usable else 0  # type: ignore[arg-type]
