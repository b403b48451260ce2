"""The store a command looks at: it must be there, and looking never makes one."""

import attrs

from ..storage.connect import connect, parse_url
from ..storage.storage import Storage
from ..values.config import MemoryConfig, SqliteConfig
from ..values.errors import ConfigurationError, StorageUnavailable
from . import settings
from .settings import Setting

URL = Setting("url", "QML_URL", settings.text, None, "the store, such as sqlite:///jobs.db", "URL")
JSON = Setting("json", "QML_JSON", settings.switch, False, "print JSON, for programs")


def open_existing(url: str | None) -> Storage:
    """The storage at ``url``. ConfigurationError without one, StorageUnavailable when there is
    no such store; nothing is created."""
    if url is None:
        raise ConfigurationError("which store? Give --url sqlite:///jobs.db, or set QML_URL")
    config = parse_url(url)
    if isinstance(config, MemoryConfig):
        raise ConfigurationError(
            "a memory:// store lives inside one process and cannot be seen from here; give the URL "
            "of a stored one, such as sqlite:///jobs.db"
        )
    if isinstance(config, SqliteConfig):
        if not config.path.exists():
            raise StorageUnavailable(
                f"there is no SQLite file {config.path}, and looking does not make one; it comes "
                "with the first job or server"
            )
        config = attrs.evolve(config, create=False)
    return connect(config)
