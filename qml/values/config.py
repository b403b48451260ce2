"""Settings of storages: frozen, checked when made; an error names setting, value and remedy."""

from pathlib import Path
from typing import Any

import attrs

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


@attrs.frozen(kw_only=True)
class Retention:
    """Seconds that finished jobs are kept, counted from when they finished."""

    succeeded: float = attrs.field(default=7 * 86_400.0, validator=_positive)
    deleted: float = attrs.field(default=7 * 86_400.0, validator=_positive)
    failed: float = attrs.field(default=90 * 86_400.0, validator=_positive)
