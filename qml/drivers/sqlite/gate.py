"""A gate that calls pass through: it can be shut, and tells when nobody is inside any more."""

import threading

from ...values.errors import StorageClosed


class Gate:
    """A context manager around each call. ``name``: what lies behind it, for messages; ``closed``:
    a call is StorageUnavailable."""

    def __init__(self, name: str, closed: bool = False) -> None:
        self.closed = closed
        self._name = name
        self._lock = threading.RLock()  # what handles a signal may close it at any moment
        self._change = threading.Condition(self._lock)
        self._inside = 0
        self._frozen = False

    def __enter__(self) -> None:
        with self._lock:
            while self._frozen:
                self._change.wait()
            if self.closed:
                raise StorageClosed(f"{self._name}: this storage is closed; connect again")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._frozen or self.closed:
                self._change.notify_all()

    def close(self, patience: float) -> bool:
        """Let nobody in from now on. Whether nobody is inside, within ``patience`` seconds."""
        with self._lock:
            self.closed = True
            return self._change.wait_for(lambda: not self._inside, patience)

    def freeze(self, patience: float) -> bool:
        """The same, until ``thaw``: calls wait for that."""
        with self._lock:
            self._frozen = True
            return self._change.wait_for(lambda: not self._inside, patience)

    def thaw(self) -> None:
        """Let everybody in again."""
        with self._lock:
            self._frozen = False
            self._change.notify_all()
