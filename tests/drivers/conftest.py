"""Every driver, fresh and installed: what the tests of this folder are run on."""

import importlib

import pytest

from .making import put, row


def _memory(folder):
    return importlib.import_module("qml.drivers.memory").MemoryDriver(None)


def _sqlite(folder):
    config = importlib.import_module("qml.values.config").SqliteConfig(path=folder / "jobs.db")
    return importlib.import_module("qml.drivers.sqlite").SqliteDriver(config)


def _redis(folder):
    config = importlib.import_module("tests.drivers.redis_store").config(folder)
    return importlib.import_module("qml.drivers.redis").RedisDriver(config)


def _postgres(folder):
    config = importlib.import_module("tests.drivers.postgres_store").config(folder)
    return importlib.import_module("qml.drivers.postgres").PostgresDriver(config)


# Imported when a test asks, so that one driver's trouble is not another's. Nothing is skipped.
MAKERS = {"memory": _memory, "sqlite": _sqlite, "postgres": _postgres, "redis": _redis}


@pytest.fixture(params=MAKERS)
def make_driver(request):
    """A function of a folder: a new, installed driver, closed when the test ends."""
    made = []

    def make(folder):
        made.append(MAKERS[request.param](folder))
        made[-1].install()
        return made[-1]

    make.kind = request.param
    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(make_driver, tmp_path):
    return make_driver(tmp_path)


@pytest.fixture
def mixed(driver):
    """Rows 0 to 11: three states, two queues, two methods."""
    states = ("enqueued", "scheduled", "failed")
    rows = [
        row(
            str(number),
            state=states[number % 3],
            queue=f"q{number % 2}",
            method=f"m{number // 6}",
            priority=number % 5,
        )
        for number in range(12)
    ]
    put(driver, *rows)
    return driver
