"""What a storage's URL says: a configuration, with settings in the query."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

from ..values.config import MemoryConfig, PostgresConfig, RedisConfig, SqliteConfig
from ..values.errors import ConfigurationError
from ..values.urls import HIDDEN, check_escapes

SCHEMES = (
    "sqlite:///relative.db, sqlite:////absolute.db, memory://, postgresql://, redis://, rediss://, "
    "unix://"
)

Config = MemoryConfig | SqliteConfig | PostgresConfig | RedisConfig

_OF_SERVERS: dict[str, type[PostgresConfig] | type[RedisConfig]] = {
    "postgresql": PostgresConfig,
    "postgres": PostgresConfig,
    "redis": RedisConfig,
    "rediss": RedisConfig,
    "unix": RedisConfig,
}


def parse_url(url: str, options: dict[str, Any] | None = None) -> Config:
    """The configuration a URL stands for, with ``options`` over those in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{_scheme(url)!r}: the rest of this URL cannot be read") from None
    check_escapes(url, f"{_scheme(url)!r}: the rest of this URL")
    if parts.scheme == "memory":
        if parts.path.strip("/"):
            raise ConfigurationError("memory:// has no path; settings follow a question mark")
        return MemoryConfig(**_settings(MemoryConfig, parts, options or {}))
    if parts.scheme == "sqlite":
        if parts.netloc or not url.partition(":")[2].startswith("///"):
            raise ConfigurationError(
                "a SQLite URL has three slashes before a relative path and four before an absolute "
                "one: sqlite:///jobs.db, sqlite:////var/lib/jobs.db"
            )
        path = Path(unquote(parts.path[1:]))
        return SqliteConfig(path, **_settings(SqliteConfig, parts, options or {}))
    if parts.scheme in _OF_SERVERS:
        return _of_server(_OF_SERVERS[parts.scheme], url, options or {})
    raise ConfigurationError(f"{_scheme(url)!r} is no scheme qml knows; give one of {SCHEMES}")


def _of_server(
    kind: type[PostgresConfig] | type[RedisConfig], url: str, options: dict[str, Any]
) -> Config:
    """qml's own settings are taken out of the query; the rest is the server's library's."""
    address, mark, query = url.partition("?")
    own = {field.name for field in attrs.fields(kind)[1:]}  # the first is the URL itself
    parts = query.split("&") if mark else []
    mine = [part for part in parts if part.partition("=")[0] in own]
    others = [part for part in parts if part not in mine]
    settings = _given("&".join(mine)) | options
    return kind(address + mark * bool(others) + "&".join(others), **checked(kind, settings))


def _scheme(url: str) -> str:
    """What may be shown of a URL that is not understood: no more than its scheme. Not all that has
    none is a file: "host=db password=..." is how libpq may be told it."""
    scheme, mark, _ = url.partition("://")
    found = scheme + mark if mark else url.partition(":")[0]
    return HIDDEN if any(sign in found for sign in "=@?") else found


def _settings(kind: type[Any], parts: SplitResult, options: dict[str, Any]) -> dict[str, Any]:
    """The settings in a URL's query, and ``options`` over them; nothing is passed over."""
    if parts.fragment:
        raise ConfigurationError("a '#' in a URL begins what is no part of the path; write %23")
    given = _given(parts.query)
    if "path" in given:
        raise ConfigurationError("the path stands before the question mark, and only there")
    return checked(kind, given | options)


def _given(query: str) -> dict[str, Any]:
    given = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in given]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"a setting is given twice: {', '.join(names)}")
    return dict(given)


_READ: dict[type[Any] | None, Callable[[str], Any]] = {
    int: int,
    float: float,
    bool: {"true": True, "false": False}.__getitem__,
}
"""What makes of a URL's text what a setting of this type means."""


def checked(kind: type[Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with what a URL has as text made what it means; an unknown one is an error."""
    known = {field.name: field.type for field in attrs.fields(kind)}
    for name, value in settings.items():
        if name not in known:
            raise ConfigurationError(
                f"{name!r} is no setting of {kind.__name__}; it has {', '.join(known)}"
            )
        read = _READ.get(known[name])
        if isinstance(value, str) and read is not None:
            try:
                settings[name] = read(value)
            except (ValueError, KeyError):
                remedy = "true or false" if known[name] is bool else "a number"
                raise ConfigurationError(f"{name} is {value!r}; give {remedy}") from None
    return settings
