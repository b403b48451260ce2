"""Storages, clocks and apps for the tests of what the field suffered, and real server processes."""

import pytest

from tests.field.processes import Site
from tests.work.fixtures import app, clock, make_storage, memory_app, storage

__all__ = ["app", "clock", "make_storage", "memory_app", "site", "storage"]


def pytest_configure(config):
    config.addinivalue_line("markers", "processes: starts many processes; left out with -m")


@pytest.fixture
def site(tmp_path):
    """A SQLite file with tasks, and processes that serve it; all are killed at the end."""
    with Site(tmp_path) as site:
        yield site
