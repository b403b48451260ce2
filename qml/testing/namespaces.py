"""A store of one's own on a user's server: beside his, never in it, and gone afterwards."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import attrs

from ..seam.rows import After
from ..storage.connect import connect
from ..storage.engines import config_of
from ..storage.storage import Storage
from ..storage.urls import Config
from ..values.config import MemoryConfig, PostgresConfig, RedisConfig, SqliteConfig


def beside(url_or_config: str | Config, folder: Path | None = None) -> Config:
    """The configuration of a store that is not there yet, where this one is, with its settings:
    another file in ``folder`` (default: the same), another schema of the same database, another
    prefix in the same server."""
    config = config_of(url_or_config, {})
    name = f"qml_test_{secrets.token_hex(8)}"
    if isinstance(config, SqliteConfig):
        path = (folder or config.path.parent) / f"{name}.db"
        return attrs.evolve(config, path=path, create=True)
    if isinstance(config, PostgresConfig):
        return attrs.evolve(config, schema_name=name, auto_migrate=True)
    if isinstance(config, RedisConfig):
        return attrs.evolve(config, key_prefix=name, create=True)
    return config


@contextlib.contextmanager
def namespace(url_or_config: str | Config, folder: Path | None = None) -> Iterator[Config]:
    """A configuration as ``beside`` makes it; the store is removed at the end, whoever made it."""
    config = beside(url_or_config, folder)
    try:
        yield config
    finally:
        if not isinstance(config, MemoryConfig):
            connect(config).driver.uninstall()


def emptied(storage: Storage) -> Storage:
    """The same storage without jobs and records: what is quicker than a new one on a server."""
    driver = storage.driver
    while rows := driver.scan(After(0, 1000)):
        driver.erase([row.id for row in rows], len(rows))
    for record in driver.list(""):
        driver.write(record.name, None, record.version)
    return storage
