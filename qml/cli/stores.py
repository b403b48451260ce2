"""The store a command looks at: it must be there, and looking never makes one."""

from pathlib import Path

import attrs

from ..storage.connect import connect
from ..storage.storage import Storage
from ..storage.urls import Config, parse_url
from ..values import urls
from ..values.config import MemoryConfig, PostgresConfig, RedisConfig, SqliteConfig
from ..values.errors import ConfigurationError, StorageUnavailable
from . import settings
from .settings import Setting

URL = Setting("url", "QML_URL", settings.text, None, "the store, such as sqlite:///jobs.db", "URL")
JSON = Setting("json", "QML_JSON", settings.switch, False, "print JSON, for programs")


def open_existing(url: str | Config | None) -> Storage:
    """The storage at ``url``. ConfigurationError without one, StorageUnavailable when there is
    no such store; nothing is created."""
    if url is None:
        raise ConfigurationError("which store? Give --url sqlite:///jobs.db, or set QML_URL")
    return connect(for_looking(stored(url)))


def for_looking(config: Config) -> Config:
    """The configuration for one who makes nothing. StorageUnavailable when a file is not there."""
    if isinstance(config, PostgresConfig):
        return attrs.evolve(config, auto_migrate=False)
    if isinstance(config, RedisConfig):
        return attrs.evolve(config, create=False)
    if isinstance(config, SqliteConfig):
        _check_there(config.path)
        return attrs.evolve(config, create=False)
    return config


def _check_there(path: Path) -> None:
    try:
        path.stat()
    except PermissionError:
        raise StorageUnavailable(
            f"SQLite file {path}: this user may not pass the folders on the way to it; run as the "
            "one that owns the store"
        ) from None
    except OSError:
        raise StorageUnavailable(
            f"there is no SQLite file {path}, and looking does not make one; it comes with the "
            "first job or server"
        ) from None


def open_or_make(url: str) -> Storage:
    """The storage at ``url``, made if it is not there."""
    return connect(stored(url))


def config_of(url: str | Config) -> Config:
    """The configuration a URL stands for, unless it is one."""
    return parse_url(url) if isinstance(url, str) else url


def stored(url: str | Config) -> Config:
    """The configuration a URL stands for, of a store that other processes see, too."""
    config = config_of(url)
    if isinstance(config, MemoryConfig):
        raise ConfigurationError(
            "a memory:// store lives inside one process and cannot be seen from here; give the URL "
            "of a stored one, such as sqlite:///jobs.db"
        )
    return config


def name_of(config: Config) -> str:
    """The store of a configuration for people, without a password."""
    if isinstance(config, PostgresConfig):
        return urls.shown(config.database_url)
    if isinstance(config, RedisConfig):
        return urls.shown(config.url)
    return f"SQLite file {config.path}" if isinstance(config, SqliteConfig) else "memory"
