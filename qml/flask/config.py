"""What an app's configuration says to qml: the keys, and where the jobs are kept."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from flask import Flask

from ..storage.engines import config_of
from ..storage.urls import Config
from ..values.errors import ConfigurationError

KEYS = {
    "QML_URL": "where the jobs are kept: a URL as connect takes it, or a configuration",
    "QML_EMBEDDED": "run jobs in the web server's processes: True, or a dict of server settings",
    "QML_IMMEDIATE": "run each job as soon as it is enqueued, for tests: True",
    "QML_APP": "how a spawned process finds this app, such as shop:create_app()",
}

DEFAULT = "sqlite:///jobs.db"
"""The file ``jobs.db`` of the app's instance folder."""

_DIALECT = re.compile(r"(sqlite|postgresql|postgres)\+\w+:")
_SQLITE = re.compile(r"sqlite:///([^?#]*)(.*)", re.DOTALL)


def check_keys(config: Mapping[str, Any]) -> None:
    """ConfigurationError for a key that begins as qml's do, and is none of them, or whose value is
    of another kind: the text "False", as an environment variable may give it, is true in Python."""
    for key in config:
        if isinstance(key, str) and key.startswith("QML_") and key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigurationError(
                f"the app's configuration has {key}, which is no key of qml; {hint}There are "
                f"{', '.join(KEYS)}"
            )
    immediate, app = config.get("QML_IMMEDIATE"), config.get("QML_APP")
    if immediate not in (None, True, False):
        raise ConfigurationError(f"QML_IMMEDIATE is {immediate!r}; give True or False")
    if not isinstance(app, str | None):
        raise ConfigurationError(f'QML_APP is {app!r}; give text, such as "shop:create_app()"')


def storage_config(app: Flask, default: str | Config | None, settings: dict[str, Any]) -> Config:
    """The configuration of an app's storage: what ``QML_URL`` says, or else ``default``, or else a
    file of the instance folder. ``settings``: beside a URL."""
    check_keys(app.config)
    return located(app, app.config.get("QML_URL") or default or DEFAULT, settings)


def located(app: Flask, given: Any, settings: dict[str, Any]) -> Config:
    """The configuration that a URL of an app means, or that it is."""
    if hasattr(given, "render_as_string"):  # SQLAlchemy's URL, whose own text hides the password
        given = given.render_as_string(hide_password=False)
    if not isinstance(given, str):
        return config_of(given, dict(settings))
    return config_of(_in_instance_folder(app, _DIALECT.sub(r"\1:", given, count=1)), dict(settings))


def _in_instance_folder(app: Flask, url: str) -> str:
    """A relative file is one of the instance folder, as it is for Flask-SQLAlchemy."""
    parts = _SQLITE.fullmatch(url)
    if parts is None or not parts[1]:
        return url
    path = Path(unquote(parts[1]))
    if path.is_absolute():
        return url
    return f"sqlite:///{quote((Path(app.instance_path) / path).as_posix(), safe='/:')}{parts[2]}"
