"""From a URL or a configuration to a storage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

from ..drivers.memory import MemoryDriver
from ..values.clock import Clock
from ..values.config import MemoryConfig, SqliteConfig
from ..values.errors import ConfigurationError
from ..values.retry import RetryPolicy
from .storage import Storage

SCHEMES = "sqlite:///relative.db, sqlite:////absolute.db, memory://"

Config = MemoryConfig | SqliteConfig


def connect(
    url_or_config: str | Config,
    *,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    **options: Any,
) -> Storage:
    """Open the storage a URL or a configuration names; ConfigurationError names what is wrong.

    URLs: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``memory://``. Settings of the
    configuration may stand in the URL (``?durability=normal``) or be given as ``options``, and so
    may the storage's own (``retention``, ``max_job_bytes``).
    """
    own, settings = split_options(options)
    config = config_of(url_or_config, settings)
    storage: Storage = _storage_of(config)(config, clock=clock, retry=retry, **own)
    return storage


def config_of(url_or_config: str | Config, settings: dict[str, Any]) -> Config:
    """The configuration that a URL and ``settings`` stand for; beside one there are none."""
    if isinstance(url_or_config, str):
        return parse_url(url_or_config, settings)
    if settings:
        raise _beside(url_or_config, settings)
    return url_or_config


def parse_url(url: str, options: dict[str, Any] | None = None) -> Config:
    """The configuration a URL stands for, with ``options`` over those in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{_scheme(url)!r}: the rest of this URL cannot be read") from None
    if parts.scheme == "memory":
        if parts.path.strip("/"):
            raise ConfigurationError("memory:// has no path; settings follow a question mark")
        return MemoryConfig(**_settings(MemoryConfig, parts, options or {}))
    if parts.scheme == "sqlite":
        if parts.netloc or not url.startswith("sqlite:///"):
            raise ConfigurationError(
                "a SQLite URL has three slashes before a relative path and four before an absolute "
                "one: sqlite:///jobs.db, sqlite:////var/lib/jobs.db"
            )
        path = Path(unquote(parts.path[1:]))
        return SqliteConfig(path, **_settings(SqliteConfig, parts, options or {}))
    raise ConfigurationError(f"{_scheme(url)!r} is no scheme qml knows; give one of {SCHEMES}")


def _scheme(url: str) -> str:
    """What may be shown of a URL that is not understood: no more than its scheme."""
    scheme, mark, _ = url.partition("://")
    return scheme + mark if mark else url.partition(":")[0]


def _settings(kind: type[Any], parts: SplitResult, options: dict[str, Any]) -> dict[str, Any]:
    """The settings in a URL's query, and ``options`` over them; nothing is passed over."""
    if parts.fragment:
        raise ConfigurationError("a '#' in a URL begins what is no part of the path; write %23")
    given = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in given]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"a setting is given twice: {', '.join(names)}")
    if "path" in names:
        raise ConfigurationError("the path stands before the question mark, and only there")
    return _checked(kind, dict(given) | options)


_READ: dict[str, Callable[[str], Any]] = {
    "max_jobs": int,
    "busy_timeout": float,
    "create": lambda text: {"true": True, "false": False}[text],
}


def _checked(kind: type[Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with what a URL has as text made what it means; an unknown one is an error."""
    known = [field.name for field in attrs.fields(kind)]
    for name, value in settings.items():
        if name not in known:
            raise ConfigurationError(
                f"{name!r} is no setting of {kind.__name__}; it has {', '.join(known)}"
            )
        if isinstance(value, str) and name in _READ:
            try:
                settings[name] = _READ[name](value)
            except (ValueError, KeyError):
                remedy = "true or false" if name == "create" else "a number"
                raise ConfigurationError(f"{name} is {value!r}; give {remedy}") from None
    return settings


class MemoryStorage(Storage):
    """Jobs in this process only, gone when it ends; for tests and for trying things out."""

    def __init__(self, config: MemoryConfig | None = None, **options: Any) -> None:
        own, settings = split_options(options)
        if config is None:
            config = MemoryConfig(**_checked(MemoryConfig, settings))
        elif settings:
            raise _beside(config, settings)
        super().__init__(MemoryDriver(config.max_jobs), **own)


class SqliteStorage(Storage):
    """Jobs in one SQLite file, shared by the threads and processes of one machine."""

    def __init__(self, config: SqliteConfig | Path | str, **options: Any) -> None:
        from ..drivers.sqlite import SqliteDriver  # not before it is asked for: sqlite3 costs 5 ms

        own, settings = split_options(options)
        if not isinstance(config, SqliteConfig):
            config = SqliteConfig(config, **_checked(SqliteConfig, settings))
        elif settings:
            raise _beside(config, settings)
        super().__init__(SqliteDriver(config), **own)


def _beside(config: object, options: dict[str, Any]) -> ConfigurationError:
    names = ", ".join(options)
    return ConfigurationError(f"options {names} beside a {type(config).__name__}; set them in it")


_OWN = ("clock", "retry", "retention", "max_job_bytes")


def split_options(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options that every storage has, and the rest, which are settings of its configuration."""
    own = {name: value for name, value in options.items() if name in _OWN}
    return own, {name: value for name, value in options.items() if name not in _OWN}


def _storage_of(config: Config) -> type[Any]:
    kinds: dict[type[Any], type[Any]] = {
        MemoryConfig: MemoryStorage,
        SqliteConfig: SqliteStorage,
    }
    try:
        return kinds[type(config)]
    except KeyError:
        raise ConfigurationError(
            f"connect({type(config).__name__}): give a URL ({SCHEMES}) or one of "
            f"{', '.join(kind.__name__ for kind in kinds)}"
        ) from None
