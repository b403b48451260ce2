"""Storages, clocks and apps for the tests of servers."""

from tests.work.fixtures import app, clock, make_storage, memory_app, storage

__all__ = ["app", "clock", "make_storage", "memory_app", "storage"]
