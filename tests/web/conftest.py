"""Stores of every kind, dashboards of them in an app, and clients that ask as a browser does."""

import pytest
from flask import Flask

from qml import Qml
from qml.web import dashboard, looks
from tests.web.asking import Client
from tests.work.fixtures import clock, make_storage, memory_app, storage

__all__ = ["clock", "make_storage", "memory_app", "storage"]


@pytest.fixture
def jobs(storage):
    return Qml(storage, retry=storage.retry_policy)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A page that is asked for once has its answers, also on a machine that is busy."""
    monkeypatch.setattr(looks, "SOON", 20.0)


@pytest.fixture
def mount():
    """A function of what a dashboard is made from: a client of an app that has it at /qml."""

    def mounted(source, prefix="/qml", **options):
        app = Flask("tests")
        app.register_blueprint(dashboard(source, **options), url_prefix=prefix)
        return Client(app, prefix)

    return mounted


@pytest.fixture
def client(jobs, mount):
    """A client of a dashboard, for each kind of storage."""
    return mount(jobs)


@pytest.fixture
def small(memory_app, mount):
    """A client of a dashboard, where the kind of storage does not matter; its app: ``.jobs``."""
    found = mount(memory_app)
    found.jobs = memory_app
    return found
