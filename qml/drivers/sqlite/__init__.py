"""The SQLite driver: one file, any number of threads and processes of one machine."""

from .driver import SqliteDriver

__all__ = ["SqliteDriver"]
