"""Has qml use Python's own SQLite where Flask-SQLAlchemy uses it for the same file."""

import os
import sys

from flask import Flask

from ..values.config import SqliteConfig
from ..values.errors import ConfigurationError
from .config import located

LIBRARY = "qml.drivers.sqlite.library"


def share_sqlite(app: Flask, config: SqliteConfig) -> None:
    """Two copies of SQLite in one process do not see each other's locks, and may damage a file that
    both have open. So where the extra ``[sqlite]`` brings one, it is left alone for such an app;
    ConfigurationError when it is in use already."""
    if not _is_one_file(app, config):
        return
    loaded = sys.modules.get(LIBRARY)
    if loaded is None:
        os.environ.setdefault("QML_SQLITE", "sqlite3")
    elif loaded.library.__name__ != "sqlite3":
        raise ConfigurationError(
            f"{config.path} is the database of Flask-SQLAlchemy, too, which uses Python's sqlite3, "
            "and qml has begun to use pysqlite3 in this process; set the environment variable "
            "QML_SQLITE=sqlite3, or give Flask-SQLAlchemy the other: "
            'SQLALCHEMY_ENGINE_OPTIONS = {"module": pysqlite3}'
        )


def _is_one_file(app: Flask, config: SqliteConfig) -> bool:
    uri = app.config.get("SQLALCHEMY_DATABASE_URI")
    options = app.config.get("SQLALCHEMY_ENGINE_OPTIONS") or {}
    if not uri or "module" in options or ":memory:" in str(uri) or str(uri) == "sqlite://":
        return False
    if not str(uri).startswith("sqlite"):
        return False
    other = located(app, str(uri).partition("?")[0], {})
    return isinstance(other, SqliteConfig) and other.path == config.path
