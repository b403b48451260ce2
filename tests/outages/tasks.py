"""Tasks that note their runs, a server for them, and what the servers log meanwhile."""

import logging
import threading
import time
from collections import Counter
from typing import Any

from qml import Job, JobAlreadyExists, Qml, RetryPolicy, StorageError, StorageUnavailable
from qml.storage.storage import Storage
from tests.work.support import STORE_VERBS, Gate, Wrapped

SOON = RetryPolicy(max_retries=5, base=0)


class Watched(Wrapped):
    """A driver whose failures are counted, by verb."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.failed: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        inner = super().__getattr__(name)
        if name not in STORE_VERBS:
            return inner

        def verb(*args: Any, **kwargs: Any) -> Any:
            try:
                return inner(*args, **kwargs)
            except StorageError:
                self.failed[name] += 1
                raise

        return verb


class Site:
    """An app on a storage. ``runs`` counts the runs of each job by its argument; what ``held``
    runs waits at the gate of its argument. Sites of several servers share both."""

    def __init__(self, storage: Storage, like: "Site | None" = None) -> None:
        self.app = Qml(storage, retry=SOON)
        self.storage = storage
        self.line = storage.driver = Watched(storage.driver)
        self.runs: Counter[Any] = Counter() if like is None else like.runs
        self.gates: dict[Any, Gate] = {} if like is None else like.gates
        self.note = self.app.task(name="note")(self._note)
        self.held = self.app.task(name="held")(self._held)

    def _note(self, n: Any) -> Any:
        self.runs[n] += 1
        return n

    def _held(self, n: Any) -> Any:
        self.runs[n] += 1
        self.gates[n].wait(120)
        return n

    def hold(self, n: Any) -> Any:
        """Enqueue a job that runs until its gate is opened."""
        self.gates[n] = Gate()
        return self.held.enqueue(n)

    def open_gates(self) -> None:
        """Let all that are held end, now and later."""
        for gate in self.gates.values():
            gate.open()

    def insist(self, n: Any, **fields: Any) -> Job:
        """Enqueue a job, again and again until the store has acknowledged it."""
        job = Job("note", [n], max_retries=SOON.max_retries, **fields)
        while True:
            try:
                return self.storage.enqueue(job)
            except JobAlreadyExists:
                return job
            except StorageUnavailable:
                time.sleep(0.1)

    def done(self, *jobs: Any, timeout: float = 60) -> list[Any]:
        """The results, once all have ended."""
        return [self.app.result(job, timeout=timeout) for job in jobs]

    def attempts(self) -> dict[Any, int]:
        """How often each job was claimed, by its argument."""
        return {job.arguments[0]: job.attempt for job in self.storage.list()}


class Log(logging.Handler):
    """What qml logs, while the block runs."""

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []
        self._level = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        """The messages."""
        return [record.getMessage() for record in self.records]

    def __enter__(self) -> "Log":
        logger = logging.getLogger("qml")
        self._level = logger.level
        logger.addHandler(self)
        logger.setLevel(self.level)
        return self

    def __exit__(self, *error: object) -> None:
        logger = logging.getLogger("qml")
        logger.removeHandler(self)
        logger.setLevel(self._level)


def at_once(*calls: Any) -> list[Any]:
    """What each call returns or raises, all of them in threads of their own."""
    ends: dict[int, Any] = {}

    def run(number: int) -> None:
        try:
            ends[number] = calls[number]()
        except Exception as error:
            ends[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return [ends.get(number, "it has not come back") for number in range(len(calls))]
