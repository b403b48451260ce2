"""A storage that is opened when it is first needed."""

import threading
from collections.abc import Callable
from typing import Any

import attrs

from ..storage import foreign
from ..storage.connect import connect
from ..storage.storage import Storage
from ..storage.urls import Config
from ..values.config import SqliteConfig
from ..values.errors import ConfigurationError, StorageUnavailable

PATIENCE = 0.5
"""Seconds that the tables are waited for where it may be in vain."""


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

    def storage(self, within: Any = None) -> Storage:
        """The storage, connected at the first use. ConfigurationError, StorageUnavailable.
        ``within``: a connection whose transaction may be open; it is not waited for."""
        storage = self._storage
        if storage is None:
            with self._lock:
                storage = self._storage
                if storage is None:
                    assert self.config is not None
                    if within is not None and isinstance(self.config, SqliteConfig):
                        _see_to_tables(self.config, foreign.raw(within))
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


def _see_to_tables(config: SqliteConfig, connection: Any) -> None:
    """Tables that are not there yet are made by another connection than the caller's. Where that
    writes, nobody else can, and whoever waits for it in the same thread waits in vain."""
    if not getattr(connection, "in_transaction", False):
        return
    brief = attrs.evolve(config, busy_timeout=min(config.busy_timeout, PATIENCE))
    try:
        connect(brief).close()
    except StorageUnavailable as error:
        if "locked" not in str(error):
            raise
        raise ConfigurationError(
            f"SQLite file {config.path} has no tables of qml yet, and while your transaction "
            "writes nobody else can make them; open the store once before it begins: jobs.storage"
        ) from error
