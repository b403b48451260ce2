"""What one Flask app has of a QmlFlask: its storage, opened when first needed."""

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from ..storage.storage import Storage
from ..storage.urls import Config
from ..values.config import SqliteConfig
from ..values.errors import QmlError
from ..work.opening import Opening
from .config import storage_config
from .context import HooksInApp
from .embedded import Embedded
from .sharing import share_sqlite

if TYPE_CHECKING:
    from .extension import QmlFlask
    from .immediate import Immediate

log = logging.getLogger("qml.flask")

NAME = "qml"
"""Under which an app has it in ``app.extensions``."""

SERVERS = {"SERVER_SOFTWARE", "uwsgi.version"}
"""What the environment of a request has that came by a web server, and not by a test client."""


class Home:
    """What is an app's own. ``jobs``: whose tasks; ``default``, ``settings``: of its storage, where
    the app's configuration says nothing. It is read when the storage is first needed, so what is
    configured after ``init_app`` counts. ``source``: as what a command line named the app."""

    def __init__(
        self, jobs: "QmlFlask", app: Flask, default: str | Config | None, settings: dict[str, Any]
    ) -> None:
        self.jobs = jobs
        self.app = app
        self._default = default
        self._settings = settings
        self._lock = threading.Lock()
        self._opening: Opening | None = None
        self.source: str | None = None
        self.embedded = Embedded(self)
        self._seen_by = 0
        self._immediate: Immediate | None = None

    def config(self) -> Config:
        """Where its jobs are kept. ConfigurationError."""
        return storage_config(self.app, self._default, self._settings)

    def storage(self, within: Any = None) -> Storage:
        """The storage. ConfigurationError, StorageUnavailable. ``within``: the connection in whose
        transaction a job is to be stored, see ``Opening``."""
        opening = self._opening
        if opening is None:
            with self._lock:
                opening = self._opening
                if opening is None:
                    config = self.config()
                    self._prepare(config)
                    options = self._options()
                    opening = self._opening = Opening(config, lambda: options)
        storage = opening.storage(within)
        if within is not None and self._immediate is not None:
            self._immediate.after(within)
        return storage

    def _prepare(self, config: Config) -> None:
        if isinstance(config, SqliteConfig):
            share_sqlite(self.app, config)
            if config.path.is_relative_to(Path(self.app.instance_path)):
                config.path.parent.mkdir(parents=True, exist_ok=True)

    def _options(self) -> dict[str, Any]:
        options = self.jobs.storage_options
        options["hooks"] = HooksInApp(self.app, options["hooks"])
        if self.app.config.get("QML_IMMEDIATE"):
            from .immediate import Immediate  # which brings what tests need

            self._immediate = Immediate(self)
            options["hooks"] = self._immediate.hooks(options["hooks"])
        return options

    def batch_closed(self) -> None:
        """What comes after a batch may be due."""
        if self._immediate is not None:
            self._immediate.run()

    def close(self) -> None:
        """Close the storage, if it was opened."""
        if self._opening is not None:
            self._opening.close()

    def before_request(self) -> None:
        """Before the first request of this process: open a SQLite file, since the view may enqueue
        in a transaction of its own, which would hold the lock that opening needs. And who is
        asked, serves."""
        if self._seen_by == os.getpid():
            return
        self._seen_by = os.getpid()
        if not SERVERS.isdisjoint(request.environ):
            self.embedded.at_request()
        try:
            if isinstance(self.config(), SqliteConfig):
                _ = self.jobs.storage
        except QmlError as error:  # the first use says so, too, to who can do something about it
            log.warning("the jobs' store cannot be opened: %s", error)
