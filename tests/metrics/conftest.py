"""The storages, apps and clocks of the tests of servers."""

from tests.work.fixtures import app, clock, make_storage, memory_app, storage

__all__ = ["app", "clock", "make_storage", "memory_app", "storage"]
