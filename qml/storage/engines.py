"""The storages by engine: each is ``Storage`` over a driver of its own, opened from settings.

A driver is imported when its storage is made: sqlite3 costs 5 ms, and the servers' libraries are
extras that may not be there.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..drivers.memory import MemoryDriver
from ..values.clock import clock_or_none
from ..values.config import MemoryConfig, PostgresConfig, RedisConfig, SqliteConfig
from ..values.errors import ConfigurationError
from ..values.jsontext import MAX_BYTES
from ..values.retention import retention_or_none
from . import checks
from .storage import Storage
from .urls import SCHEMES, Config, checked, parse_url

C = TypeVar("C", bound=Config)

PIP = "pip install 'queue-me-later[{}]'"
NO_SQLITE = "this Python was built without SQLite; take another Python, or another store"


class MemoryStorage(Storage):
    """Jobs in this process only, gone when it ends; for tests and for trying things out."""

    def __init__(self, config: MemoryConfig | None = None, **options: Any) -> None:
        own, settings = split_options(options)
        config = _ready(MemoryConfig, "memory://" if config is None else config, settings)
        super().__init__(MemoryDriver(config.max_jobs), **own)


class SqliteStorage(Storage):
    """Jobs in one SQLite file, given by its path or URL; shared by the processes of one machine."""

    def __init__(self, config: SqliteConfig | Path | str, **options: Any) -> None:
        with _from("sqlite3", NO_SQLITE):
            from ..drivers.sqlite import SqliteDriver

        own, settings = split_options(options)
        if isinstance(config, str) and not config.startswith("sqlite://"):
            config = Path(config)
        if isinstance(config, Path):
            config, settings = SqliteConfig(config, **checked(SqliteConfig, settings)), {}
        super().__init__(SqliteDriver(_ready(SqliteConfig, config, settings)), **own)


class PostgresStorage(Storage):
    """Jobs in a PostgreSQL database, given by its URL; shared by any number of machines."""

    def __init__(self, config: PostgresConfig | str, **options: Any) -> None:
        with _from("psycopg2", PIP.format("postgres")):
            from ..drivers.postgres import PostgresDriver

        own, settings = split_options(options)
        super().__init__(PostgresDriver(_ready(PostgresConfig, config, settings)), **own)


class RedisStorage(Storage):
    """Jobs in a Redis or Valkey server, given by its URL; shared by any number of machines."""

    def __init__(self, config: RedisConfig | str, **options: Any) -> None:
        with _from("redis", PIP.format("redis")):
            from ..drivers.redis import RedisDriver

        own, settings = split_options(options)
        super().__init__(RedisDriver(_ready(RedisConfig, config, settings)), **own)


STORAGES: dict[type[Any], type[Any]] = {
    MemoryConfig: MemoryStorage,
    SqliteConfig: SqliteStorage,
    PostgresConfig: PostgresStorage,
    RedisConfig: RedisStorage,
}

_OWN = ("clock", "retry", "retention", "max_job_bytes", "hooks")


def split_options(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options that every storage has, and the rest, which are settings of its configuration."""
    own = {name: value for name, value in options.items() if name in _OWN}
    # Whoever gives what cannot be used hears of it, and not the first job of an app.
    clock_or_none("Storage clock", own.get("clock"))
    retention_or_none("Storage retention", own.get("retention"))
    checks.max_job_bytes(own.get("max_job_bytes", MAX_BYTES))
    return own, {name: value for name, value in options.items() if name not in _OWN}


def config_of(url_or_config: str | Config, settings: dict[str, Any]) -> Config:
    """The configuration that a URL and ``settings`` stand for; beside one there are none."""
    if isinstance(url_or_config, str):
        return parse_url(url_or_config, settings)
    if settings:
        names, kind = ", ".join(settings), type(url_or_config).__name__
        raise ConfigurationError(f"options {names} beside a {kind}; set them in it")
    return url_or_config


def storage_class(config: Any) -> type[Any]:
    """The class of a configuration's storage."""
    kind = STORAGES.get(type(config))
    if kind is None:
        raise ConfigurationError(
            f"connect({type(config).__name__}): give a URL ({SCHEMES}) or one of "
            f"{', '.join(kind.__name__ for kind in STORAGES)}"
        )
    return kind


def _ready(kind: type[C], given: Config | str, settings: dict[str, Any]) -> C:
    config = config_of(given, settings)
    if not isinstance(config, kind):
        raise ConfigurationError(f"give a {kind.__name__} or what it is made from, not {config!r}")
    return config


@contextlib.contextmanager
def _from(name: str, cure: str) -> Iterator[None]:
    """A driver's library that is not there is an error that says how to get it."""
    try:
        yield
    except ImportError as error:
        library = (error.name or name).partition(".")[0]
        raise ConfigurationError(
            f"this storage needs a library that is not installed ({library}): {cure}"
        ) from error
