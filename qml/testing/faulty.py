"""A driver that fails when it is told to: before its effect or after it; or stands still."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, TypeVar

from ..seam.driver import Driver
from ..values.errors import ConfigurationError, StorageUnavailable
from .making import whole
from .wrapping import WrappedDriver

T = TypeVar("T")

VERBS = frozenset(
    {
        *("insert", "load", "holder", "swap", "claim", "hold", "let_go", "scan", "count", "erase"),
        *("used", "tally", "read", "write", "list", "insert_in", "begin", "commit"),
    }
)
"""What passes by ``WrappedDriver.around``."""

PATIENCE = 60.0
"""Seconds after which a call that hangs gives up, so that a test that forgot it ends."""


class FaultyDriver(WrappedDriver):
    """Wraps a driver and breaks its calls. Safe to share between threads.

    A fault is for the next call of a verb (``"swap"``, ``"claim"``; None: of any), or for the next
    ``times`` calls::

        storage = MemoryStorage()
        storage.driver = faulty = FaultyDriver(storage.driver)
        faulty.lose_reply("insert")
        storage.enqueue(job)  # StorageUnavailable, and the job is stored

    Faults of a verb come in the order in which they were planned, before those of any verb.
    """

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self._lock = threading.Lock()
        self._planned: defaultdict[str | None, deque[Callable[[Any], Any]]] = defaultdict(deque)

    def fail(
        self, verb: str | None = None, error: BaseException | None = None, times: int = 1
    ) -> None:
        """Raise ``error`` (default: StorageUnavailable), and have no effect."""

        def fault(call: Callable[[], Any]) -> Any:
            raise error or StorageUnavailable("told to fail: nothing was changed")

        self._plan(verb, fault, times, error)

    def lose_reply(
        self, verb: str | None = None, error: BaseException | None = None, times: int = 1
    ) -> None:
        """Have the effect, then raise ``error`` (default: StorageUnavailable)."""

        def fault(call: Callable[[], Any]) -> Any:
            call()
            raise error or StorageUnavailable("told to lose the reply: it was carried out")

        self._plan(verb, fault, times, error)

    def hang(self, verb: str | None = None, *, after: bool = False) -> "Hang":
        """Stand still before the effect (``after``: before the reply) until ``Hang.release()``."""
        hang = Hang()

        def fault(call: Callable[[], Any]) -> Any:
            if not after:
                hang.stand()
                return call()
            answer = call()
            hang.stand()
            return answer

        self._plan(verb, fault, 1)
        return hang

    def heal(self) -> None:
        """Forget the faults that have not come yet."""
        with self._lock:
            self._planned.clear()

    def around(self, verb: str, order: Any, call: Callable[[], T]) -> T:
        """Carry the verb out, with the fault that is planned for it."""
        with self._lock:
            planned = self._planned[verb] or self._planned[None]
            fault = planned.popleft() if planned else None
        if fault is None:
            return call()
        answer: T = fault(call)
        return answer

    def _plan(
        self, verb: str | None, fault: Callable[[Any], Any], times: int, error: object = None
    ) -> None:
        whole("times", times, 1)
        if not isinstance(error, BaseException | None):
            raise ConfigurationError(f"error is {error!r}; give an exception, such as OSError()")
        if verb is not None and verb not in VERBS:  # it would never come, and the test pass
            known = ", ".join(sorted(VERBS))
            raise ConfigurationError(f"a driver has no verb {verb!r} to break; there are {known}")
        with self._lock:
            self._planned[verb].extend([fault] * times)


class Hang:
    """One call that stands still. A context manager, which releases it."""

    def __init__(self) -> None:
        self._standing, self._released = threading.Event(), threading.Event()

    def stand(self) -> None:
        """Wait for the release; StorageUnavailable when it never comes."""
        self._standing.set()
        if not self._released.wait(PATIENCE):
            raise StorageUnavailable(f"told to hang, and not released within {PATIENCE:g} s")

    def reached(self, timeout: float = PATIENCE) -> bool:
        """Whether the call stands still, within ``timeout`` seconds."""
        return self._standing.wait(timeout)

    def release(self) -> None:
        """Let the call go on."""
        self._released.set()

    def __enter__(self) -> "Hang":
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
