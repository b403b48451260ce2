"""What the bare loops have in common: a connection to a database, for one thread."""

from importlib import import_module
from typing import Any, Protocol

MODULES = {"SqliteConfig": "sqlite", "PostgresConfig": "postgres", "RedisConfig": "redis"}


class Connection(Protocol):
    """See the modules that are named above."""

    def insert(self, many: int) -> None:
        """Store many jobs in one commit."""
        ...

    def claim(self, most: int) -> list[Any]:
        """Take the best jobs, in one commit."""
        ...

    def finish(self, rows: list[Any]) -> None:
        """Record that these were done, in one commit."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


def loop_of(config: object) -> Any:
    """The module for a store of this configuration."""
    return import_module(f"benchmarks.bare.{MODULES[type(config).__name__]}")
