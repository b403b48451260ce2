"""What the tests of servers and of the field share: waiting, and drivers that count or fail."""

import contextlib
import gc
import os
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from qml import (
    MemoryStorage,
    PostgresStorage,
    RedisStorage,
    SqliteStorage,
    StorageUnavailable,
)
from qml.drivers.sqlite.library import library
from qml.storage.engines import split_options

PATIENCE = 30.0
"""Seconds after which a test gives up waiting. Only a failing test ever waits so long."""

STORE_VERBS = (
    "insert", "load", "swap", "claim", "hold", "let_go", "scan", "count", "erase",
    "read", "write", "list", "wait",
)  # fmt: skip


def peak_of(work: Callable[[], Any]) -> int:
    """The most bytes that Python had allocated meanwhile, beyond what it had before."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def eventually(condition: Callable[[], Any], timeout: float = PATIENCE, *, every=0.005) -> Any:
    """The first true answer of ``condition``; an AssertionError when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: the answer is still {answer!r}")
        time.sleep(every)


def chore_of(server: Any, name: str) -> tuple[Any, Callable[[], None]]:
    """The chore of that name of a running server, and what has the thread of this call take its
    step, as the server's own thread does."""
    [found] = [
        (rounds, chore)
        for rounds in server._rounds
        for chore in rounds._chores
        if chore.name == name
    ]
    rounds, chore = found
    return chore, lambda: rounds._take(chore)


def sqlite_storage(folder, **options):
    return SqliteStorage(folder / "jobs.db", **options)


def memory_storage(folder, **options):
    return MemoryStorage(**options)


def postgres_storage(folder, **options):
    from tests.drivers import postgres_store

    own, settings = split_options(options)
    return PostgresStorage(postgres_store.config(folder, **settings), **own)


def redis_storage(folder, **options):
    from tests.drivers import redis_store

    own, settings = split_options(options)
    return RedisStorage(redis_store.config(folder, **settings), **own)


MAKERS = {
    "memory": memory_storage,
    "sqlite": sqlite_storage,
    "postgres": postgres_storage,
    "redis": redis_storage,
}


class Wrapped:
    """A driver before which something stands: ``meet(verb, orders)`` is called before each verb
    with its first argument, and ``after(verb)`` once it has had its effect."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def meet(self, verb: str, orders: Any) -> None:
        pass

    def after(self, verb: str) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.driver, name)
        if name not in STORE_VERBS:
            return inner

        def verb(*args: Any, **kwargs: Any) -> Any:
            self.meet(name, args[0] if args else None)
            answer = inner(*args, **kwargs)
            self.after(name)
            return answer

        return verb


class Counting(Wrapped):
    """Counts the verbs; ``swaps`` keeps how many changes each swap carried."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.calls: Counter[str] = Counter()
        self.swaps: list[int] = []

    def meet(self, verb: str, orders: Any) -> None:
        self.calls[verb] += 1
        if verb == "swap":
            self.swaps.append(len(orders))


class Failing(Wrapped):
    """Fails as told. ``plan`` says how often each verb still fails, before its effect or, for the
    verbs in ``lost``, after it: the store did it and the answer got lost."""

    def __init__(self, driver: Any, plan: dict[str, int] | None = None) -> None:
        super().__init__(driver)
        self.plan = dict(plan or {})
        self.lost: set[str] = set()
        self.failed: Counter[str] = Counter()
        self.error: Callable[[str], Exception] = StorageUnavailable
        self._lock = threading.Lock()

    def _fails(self, verb: str) -> bool:
        with self._lock:
            left = self.plan.get(verb, 0)
            if left > 0:
                self.plan[verb] = left - 1
                self.failed[verb] += 1
            return left > 0

    def meet(self, verb: str, orders: Any) -> None:
        if verb not in self.lost and self._fails(verb):
            raise self.error(f"injected: {verb}")

    def after(self, verb: str) -> None:
        if verb in self.lost and self._fails(verb):
            raise self.error(f"injected: the answer to {verb} got lost")


class Paused(Wrapped):
    """Does something between verbs: ``between[verb]`` is called once, after its next effect."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.before: dict[str, Callable[[], None]] = {}
        self.between: dict[str, Callable[[], None]] = {}

    def meet(self, verb: str, orders: Any) -> None:
        action = self.before.pop(verb, None)
        if action is not None:
            action()

    def after(self, verb: str) -> None:
        action = self.between.pop(verb, None)
        if action is not None:
            action()


@contextlib.contextmanager
def other_connection(path: Any, timeout: float = 30) -> Iterator[Any]:
    """A connection that qml knows nothing of, by the same copy of SQLite: two copies in one
    process would not see each other's locks, and would drop them."""
    connection = library.connect(
        path, isolation_level=None, check_same_thread=False, timeout=timeout
    )
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def traced(storage: Any) -> Iterator[list[str]]:
    """Every statement that SQLite runs for this storage, as it begins."""
    connections = storage.driver._connections
    inner = connections._open
    statements: list[str] = []

    def told(statement: str) -> None:
        again = statement in statements[-1:] and statement.startswith(("INSERT", "UPDATE"))
        if not again:  # a statement is told once more for each trigger that it asks
            statements.append(statement)

    def opened() -> Any:
        connection = inner()
        connection.set_trace_callback(told)
        return connection

    connections.before_fork()  # closes what is open, so that every connection is a traced one
    connections.after_fork_in_parent()
    connections._open = opened
    try:
        yield statements
    finally:
        connections.before_fork()
        connections.after_fork_in_parent()
        connections._open = inner


class Gate:
    """A task's door: the task waits at it, the test opens it. Never a fixed sleep."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self._open = threading.Event()

    def wait(self, timeout: float = PATIENCE) -> None:
        self.arrived.release()
        assert self._open.wait(timeout)

    def open(self) -> None:
        self._open.set()

    def someone_waits(self, timeout: float = PATIENCE) -> None:
        assert self.arrived.acquire(timeout=timeout)


def fork(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked child; its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
