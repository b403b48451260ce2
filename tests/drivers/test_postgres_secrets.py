"""No password is shown: in what a driver says, raises, logs or chains."""

import logging
import traceback

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.seam.rows import Page
from qml.values.config import PostgresConfig
from qml.values.errors import ConfigurationError, StorageError, StorageUnavailable
from tests.servers import PostgresServer

from .making import put, row
from .test_life import drain_hints

SECRET = "h%20unter2'\"\\"
WRITTEN = "h%2520unter2%27%22%5C"


@pytest.fixture(scope="module")
def server():
    with PostgresServer(password=SECRET) as server:
        yield server


def whole(error):
    """An error as a log shows it, with all that is behind it."""
    return "".join(traceback.format_exception(error))


def assert_hidden(text):
    assert "unter2" not in text


def test_what_libpq_takes_from_elsewhere_is_said(monkeypatch):
    def told(url):
        return PostgresDriver(PostgresConfig(url)).describe()

    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGUSER", "ada")
    assert told("postgresql://") == "PostgreSQL at db.example:6000/ada (schema qml)"
    assert told("postgresql://h:1/jobs") == "PostgreSQL at h:1/jobs (schema qml)"
    assert told("postgresql://?service=mine&dbname=jobs").startswith(
        "PostgreSQL at service mine/jobs"
    )


def test_the_password_is_used_and_not_shown(server):
    assert WRITTEN in server.url
    driver = PostgresDriver(PostgresConfig(server.url))
    driver.install()
    put(driver, row("a"))
    assert_hidden(driver.describe())
    assert_hidden(repr(vars(driver)))
    assert_hidden(str(driver.examine()))
    driver.close()
    with pytest.raises(StorageUnavailable) as closed:
        driver.scan(Page())
    assert_hidden(whole(closed.value))


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "?sslmode=require",
        "?sslpassword=unter2&sslmode=require",
        "?sslmode=unter2",
        "?sslrootcert=/unter2",
        "?password=unter2&connect_timeout=1",
        "?host=unter2.invalid",
    ],
)
def test_errors_of_connecting(server, ending):
    wrong = server.url.replace("2520unter2", "20unter2") + ending
    with pytest.raises((StorageUnavailable, ConfigurationError)) as error:
        PostgresDriver(PostgresConfig(wrong)).install()
    if ending.partition("=")[0] not in ("?sslmode", "?sslrootcert", "?host"):
        assert_hidden(whole(error.value))


@pytest.mark.parametrize("where", ["{}:{}@h/d", "h/d?password={}&x={}", "{}@h/d?sslpassword=%zz{}"])
def test_errors_of_reading_a_url(where):
    for secret in ("unter2%zz", "unter2%00x"):
        with pytest.raises((ConfigurationError, StorageError)) as error:
            PostgresDriver(PostgresConfig("postgresql://" + where.format("u", secret))).install()
        assert_hidden(whole(error.value))


def test_a_wrong_password_says_so(server):
    wrong = server.url.replace("2520unter2", "2520unter3")
    with pytest.raises(StorageUnavailable, match="password authentication failed") as error:
        PostgresDriver(PostgresConfig(wrong)).install()
    assert "unter3" not in whole(error.value)


def test_what_is_logged(server, caplog, monkeypatch):
    driver = PostgresDriver(PostgresConfig(server.url))
    driver.install()
    drain_hints(driver)
    with caplog.at_level(logging.DEBUG):
        server.stop()
        while not caplog.records:
            driver.wait(0.5)
    assert "hints of new jobs do not arrive" in caplog.text
    assert_hidden(caplog.text)
    driver.close()
    server.start()
