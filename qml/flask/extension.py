"""The extension: a Qml whose jobs run in the context of a Flask app, and are kept where it says."""

import multiprocessing
import weakref
from typing import Any

import attrs
from flask import Flask, current_app, has_app_context

from ..storage.engines import split_options
from ..storage.storage import Storage
from ..storage.urls import Config
from ..values.config import MemoryConfig
from ..values.errors import ConfigurationError
from ..values.retry import RetryPolicy
from ..work.app import Qml, Served
from ..work.server import Server
from . import finding
from .commands import command
from .config import check_keys
from .context import InApp, InAppContext, TasksInApp, in_app
from .embedded import settings_of
from .home import NAME, Home


class QmlFlask(Qml):
    """Tasks of Flask apps: a ``Qml`` with one storage for each app, the current one's at any time.

    ``jobs = QmlFlask()`` and ``jobs.init_app(app)`` in the factory, or ``QmlFlask(app)``. Neither
    connects. Where the jobs of an app are kept, its ``QML_URL`` says, or else ``url``, or else it
    is ``jobs.db`` in its instance folder; a relative SQLite file is one of that folder. Outside of
    an app context it is the only app there is; ConfigurationError when there are several, or none.

    ``retry`` and further options are those of ``Qml``, for the storages of all apps.
    """

    def __init__(
        self,
        app: Flask | None = None,
        url: str | Config | None = None,
        *,
        retry: RetryPolicy | None = None,
        **options: Any,
    ) -> None:
        own, self._settings = split_options(options)
        super().__init__(MemoryConfig(), retry=retry, **own)  # never opened: each app has its own
        self._url = url
        self._only: Home | None = None
        self._homes: weakref.WeakSet[Home] = weakref.WeakSet()
        self._apps = 0
        self.middleware = (InAppContext(self),)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Have ``app`` use this. Keys that begin with ``QML_`` and that qml does not know, or with
        values that it does not, are a ConfigurationError; so is a second QmlFlask for one app."""
        check_keys(app.config)
        if NAME in app.extensions:
            raise ConfigurationError(
                f"app {app.name!r} has a QmlFlask already; call init_app once for each app"
            )
        settings = settings_of(app.config.get("QML_EMBEDDED"))
        home = app.extensions[NAME] = Home(self, app, self._url, self._settings)
        self._homes.add(home)
        if settings is not None and not app.testing:
            home.embedded.want(settings)
        self._apps += 1
        self._only = home if self._apps == 1 else None
        app.before_request(home.before_request)
        app.cli.add_command(command(home))

    def home(self) -> Home:
        """What the current app has, or the only one there is. ConfigurationError."""
        if has_app_context():
            found = current_app.extensions.get(NAME)
            if isinstance(found, Home) and found.jobs is self:
                return found
            raise ConfigurationError(
                f"app {current_app.name!r} does not use this QmlFlask; call jobs.init_app(app)"
            )
        if self._only is not None:
            return self._only
        raise ConfigurationError(
            f"{self._apps} apps use this QmlFlask, and outside of an app context nothing says "
            "which one is meant; put it into: with app.app_context()"
            if self._apps
            else "no app uses this QmlFlask yet; call jobs.init_app(app), or for a command: flask "
            "--app shop qml run"
        )

    def create_all(self) -> None:
        """Open the store of the current app, and make its tables if they are not there: beside
        ``db.create_all()``, in a factory, a script or a fixture. Else the first use does so, and a
        transaction that writes to the same SQLite file already would keep it waiting."""
        self.storage.now()

    def embed(self) -> Server:
        """Begin to run jobs in this process now, for the current app, unless that has begun; the
        server. ``QML_EMBEDDED`` does that by itself once the process serves requests."""
        return self.home().embedded.start()

    def app_to_run_in(self) -> Flask:
        """The app in whose context a job runs that no server of an app has begun: in a process
        that was spawned for it, where the app may have to be made."""
        if self._only is None and multiprocessing.parent_process() is not None:
            app = finding.load()
            with app.app_context():
                return self.home().app
        return self.home().app

    def served(self) -> Served:
        """What a server made here and now works with: that of the current app."""
        home = self.home()
        if any(task.process for task in self.tasks.values()):
            finding.tell(home)
        bound = InApp(self, home.app, self.storage)
        declared = {
            name: attrs.evolve(schedule, task=in_app(schedule.task, bound))
            for name, schedule in self.declared.items()
        }
        return Served(bound.storage, TasksInApp(self.tasks, bound), declared)

    def close(self) -> None:
        """Close the storages of all apps, as far as they were opened. They are opened anew should
        they be needed again."""
        for home in list(self._homes):
            home.close()

    def batch_closed(self) -> None:
        """Told when a batch has been closed: with QML_IMMEDIATE, what comes after it runs now."""
        if not self._lent:
            self.home().batch_closed()

    def _own_storage(self, within: Any = None) -> Storage:
        return self.home().storage(within)
