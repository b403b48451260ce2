"""Storages, clocks and apps for the tests of what the field suffered."""

from tests.work.fixtures import app, clock, make_storage, memory_app, storage

__all__ = ["app", "clock", "make_storage", "memory_app", "storage"]
