"""Where the points are: around each verb of a driver that changes something, and inside of it.

Reads have none: a kill there leaves what a kill at the point before it leaves.
"""

import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..ledger import Ledger
from . import within_postgres, within_redis, within_sqlite
from .point import Points

VERBS = (
    *("install", "close", "insert", "swap", "claim", "hold", "let_go", "erase", "write", "notify"),
)

DRIVERS = {"sqlite": "SqliteDriver", "postgres": "PostgresDriver", "redis": "RedisDriver"}

WITHIN: dict[str, Callable[[Points, Ledger], None]] = {
    "sqlite": within_sqlite.watch,
    "postgres": within_postgres.watch,
    "redis": within_redis.watch,
}


def watch(kind: str, points: Points, ledger: Ledger) -> None:
    """Put the points into this process's driver. There is no way back: the process is to die."""
    driver = getattr(importlib.import_module(f"qml.drivers.{kind}"), DRIVERS[kind])
    for verb in VERBS:
        setattr(driver, verb, _watched(points, verb, getattr(driver, verb)))
    WITHIN[kind](points, ledger)


def _watched(points: Points, verb: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """The verb with points. What it changes, the points inside of it see, but for "close": SQLite
    may then carry the log over into the file."""

    @wraps(plain)
    def watched(*given: Any, **named: Any) -> Any:
        points.at(f"before driver.{verb}")
        answer = plain(*given, **named)
        if verb == "close":
            points.happened()
        points.at(f"after driver.{verb}")
        return answer

    return watched
