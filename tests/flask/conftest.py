"""Flask apps to test with, each with an instance folder of its own."""

import itertools

import pytest
from flask import Flask

from qml.flask import QmlFlask


@pytest.fixture
def make_app(tmp_path):
    """Makes an app that uses ``jobs``; keywords are its configuration."""
    made, numbers = [], itertools.count()

    def make(jobs=None, name="shop", **config):
        folder = tmp_path / f"{name}{next(numbers)}"
        folder.mkdir()
        app = Flask(name, instance_path=str(folder), root_path=str(folder))
        app.config.update({"TESTING": True, **config})
        if jobs is not None:
            jobs.init_app(app)
            made.append(jobs)
        return app

    yield make
    for jobs in made:
        jobs.close()


@pytest.fixture
def jobs():
    with QmlFlask() as jobs:
        yield jobs
