"""Settings of storages: frozen, checked when made; an error names setting, value and remedy."""

from pathlib import Path
from typing import Any

import attrs

from . import urls
from .errors import ConfigurationError


def _invalid(config: object, field: str, value: object, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{type(config).__name__} {field} is {value!r}; {remedy}")


def _positive(config: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise _invalid(config, field.name, value, "give a number above 0")


def _whole(config: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if type(value) is not int or value < 1:
        raise _invalid(config, field.name, value, "give a whole number, 1 or more")


def _flag(config: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, bool):
        raise _invalid(config, field.name, value, "give True or False")


def _one_of(*choices: str) -> Any:
    def check(config: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if value not in choices:
            raise _invalid(config, field.name, value, f"give one of {', '.join(choices)}")

    return check


def _absolute(path: Any) -> Path:
    """The path from the root, so that a later change of folder does not change the file."""
    named = isinstance(path, str | Path) and str(path) not in {"", ".", ":memory:"}
    if not named or "\0" in str(path):
        shown = str(path) if isinstance(path, Path) else path
        raise ConfigurationError(
            f"SqliteConfig path is {shown!r}; give the path of a file, or use memory://"
        )
    return Path(path).absolute()


def _schema_name(config: object, field: "attrs.Attribute[Any]", value: object) -> None:
    named = isinstance(value, str) and value and "\0" not in value
    if not named or len(str(value).encode(errors="replace")) > 63 or str(value).startswith("pg_"):
        remedy = "give a name of 1 to 63 bytes that does not begin with pg_"
        raise _invalid(config, field.name, value, remedy)


def _key_prefix(config: object, field: "attrs.Attribute[Any]", value: object) -> None:
    named = isinstance(value, str) and value and not set(value) & set("{}")
    if not named or len(str(value)) > 200:
        raise _invalid(config, field.name, value, "give 1 to 200 characters, no braces")


@attrs.frozen
class MemoryConfig:
    """Jobs in this process only, gone when it ends. ``max_jobs``: how many may be stored."""

    max_jobs: int = attrs.field(default=10_000, validator=_whole)


@attrs.frozen
class SqliteConfig:
    """Jobs in one SQLite file, shared by any number of processes on one machine.

    ``path``: the file; made when missing, its folder is not.
    ``durability``: "full" (default) keeps what was acknowledged through a power loss; "normal" may
    lose the last moments then, never when a process is killed, and is faster.
    ``busy_timeout``: seconds to wait for another process's write before StorageUnavailable.
    ``create``: False = a missing file is StorageUnavailable, for those who only look.
    """

    path: Path = attrs.field(converter=_absolute)
    durability: str = attrs.field(default="full", validator=_one_of("full", "normal"))
    busy_timeout: float = attrs.field(default=30.0, validator=_positive)
    create: bool = attrs.field(default=True, validator=_flag)


@attrs.frozen
class PostgresConfig:
    """Jobs in a PostgreSQL database (13 or later), shared by any number of machines.

    ``database_url``: ``postgresql://user:password@host:port/database``, with libpq's own settings
    in its query (``?sslmode=verify-full``).
    ``schema_name``: the schema that holds qml's tables; made when missing.
    ``auto_migrate``: False = a schema that is missing or older is a MigrationError, for those who
    may not change it.
    ``max_connections``: the most this storage opens for its work; whoever finds all lent waits.
    One more listens for wakeups once somebody waits for one.
    ``pool_timeout``: seconds to wait for one of them before StorageUnavailable.
    ``connect_timeout``: seconds to wait for a new connection.
    ``statement_timeout``: seconds to wait for an answer; the server gives the statement up too.
    ``durability``: "full" (default) as the server's ``synchronous_commit`` is set; "normal" turns
    it off for qml's transactions: a crash of the server may lose the last moments.
    """

    database_url: str = attrs.field(repr=urls.shown)
    schema_name: str = attrs.field(default="qml", validator=_schema_name)
    auto_migrate: bool = attrs.field(default=True, validator=_flag)
    max_connections: int = attrs.field(default=10, validator=_whole)
    pool_timeout: float = attrs.field(default=30.0, validator=_positive)
    connect_timeout: float = attrs.field(default=5.0, validator=_positive)
    statement_timeout: float = attrs.field(default=30.0, validator=_positive)
    durability: str = attrs.field(default="full", validator=_one_of("full", "normal"))

    @database_url.validator
    def _check_url(self, field: "attrs.Attribute[str]", url: str) -> None:
        urls.checked(self, field.name, url, ("postgresql", "postgres"))


@attrs.frozen
class RedisConfig:
    """Jobs in a Redis or Valkey server (Redis 6.2 or later), shared by any number of machines.

    ``url``: ``redis://user:password@host:port/database``, ``rediss://`` with TLS, ``unix://path``.
    ``key_prefix``: what all keys begin with, in braces, so that a cluster keeps them in one slot.
    ``max_connections``, ``pool_timeout``, ``connect_timeout``: as for PostgresConfig.
    ``answer_timeout``: seconds to wait for an answer.
    ``create``: False = a prefix that holds no jobs of qml is StorageUnavailable, for those who only
    look.
    How durable a write is, is the server's own setting; ``qml doctor`` judges it.
    """

    url: str = attrs.field(repr=urls.shown)
    key_prefix: str = attrs.field(default="qml", validator=_key_prefix)
    max_connections: int = attrs.field(default=10, validator=_whole)
    pool_timeout: float = attrs.field(default=30.0, validator=_positive)
    connect_timeout: float = attrs.field(default=5.0, validator=_positive)
    answer_timeout: float = attrs.field(default=30.0, validator=_positive)
    create: bool = attrs.field(default=True, validator=_flag)

    @url.validator
    def _check_url(self, field: "attrs.Attribute[str]", url: str) -> None:
        parts = urls.checked(self, field.name, url, ("redis", "rediss", "unix"))
        number = parts.path.strip("/")  # redis-py takes 0 for what is none
        if parts.scheme != "unix" and number and not number.isdecimal():
            raise ConfigurationError(
                f"RedisConfig url ends in {parts.path!r}; give the number of a database, such as "
                "/0, and key_prefix for a name"
            )
