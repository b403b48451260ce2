"""A storage that is opened when it is first needed."""

import threading
from collections.abc import Callable
from typing import Any

from ..storage.connect import connect
from ..storage.storage import Storage
from ..storage.urls import Config


class Opening:
    """The storage of a configuration, or one that is open already. ``options``: asked for what
    ``connect`` gets besides, when it is opened."""

    def __init__(
        self, given: Config | Storage, options: Callable[[], dict[str, Any]] = lambda: {}
    ) -> None:
        self._lock = threading.Lock()
        self._options = options
        self._storage = given if isinstance(given, Storage) else None
        self.config = None if isinstance(given, Storage) else given

    def storage(self) -> Storage:
        """The storage, connected at the first use. ConfigurationError, StorageUnavailable."""
        storage = self._storage
        if storage is None:
            with self._lock:
                storage = self._storage
                if storage is None:
                    assert self.config is not None
                    storage = self._storage = connect(self.config, **self._options())
        return storage

    def close(self) -> None:
        """Close the storage, if it was opened. One of a configuration is opened anew should it be
        needed again."""
        with self._lock:
            storage = self._storage
            if self.config is not None:
                self._storage = None
        if storage is not None:
            storage.close()
