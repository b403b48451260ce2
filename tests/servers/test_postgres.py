"""PostgreSQL really runs, is killed, paused and started again on its data."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as finished

import psycopg2
import pytest

from tests.servers import PostgresServer, ServerFailed, postgres_url
from tests.servers.clients import ask, connection
from tests.servers.guard import children, runs


@pytest.fixture(scope="module")
def durable():
    with PostgresServer(durable=True) as server:
        yield server


def test_the_shared_server_is_one_and_is_postgresql_18():
    assert postgres_url() == postgres_url()
    with connection(postgres_url()) as connected:
        assert ask(connected, "SHOW server_version").startswith("18.")
        assert ask(connected, "SHOW fsync") == "off"
        assert ask(connected, "SHOW server_encoding") == "UTF8"


def test_the_environment_names_another(monkeypatch):
    monkeypatch.setenv("QML_TEST_POSTGRES_URL", "postgresql://elsewhere/db")
    assert postgres_url() == "postgresql://elsewhere/db"


def test_what_was_committed_outlives_kill_9_of_the_whole_family(durable):
    with connection(durable.url) as connected:
        assert ask(connected, "SHOW fsync") == "on"
        ask(connected, "CREATE TABLE kept AS SELECT 7 AS n")
        family = [durable.pid, *children(durable.pid)]
        assert len(family) > 5
        durable.kill()
        assert not any(map(runs, family))
        with pytest.raises(psycopg2.OperationalError):
            ask(connected, "SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        psycopg2.connect(durable.url)
    durable.start()
    with connection(durable.url) as connected:
        assert ask(connected, "SELECT n FROM kept") == 7


def test_a_restart_keeps_port_and_data(durable):
    url = durable.url
    with connection(url) as connected:
        ask(connected, "CREATE TABLE stays AS SELECT 8 AS n")
        durable.restart()
    with connection(url) as connected:
        assert ask(connected, "SELECT n FROM stays") == 8


def test_a_pause_silences_it_and_it_goes_on_after(durable):
    with connection(durable.url) as connected, ThreadPoolExecutor() as pool:
        durable.pause()
        asked = pool.submit(ask, connected, "SELECT 1")
        assert not finished([asked], timeout=0.2).done
        durable.resume()
        assert asked.result(timeout=10) == 1


def test_a_paused_server_can_be_killed():
    with PostgresServer() as server:
        family = [server.pid, *children(server.pid)]
        server.pause()
    assert not any(map(runs, family))
    assert not server.folder.exists()


def test_a_password_is_asked_for():
    with PostgresServer(password="a:b @/%", max_connections=7) as server:
        with connection(server.url) as connected:
            assert ask(connected, "SHOW max_connections") == "7"
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(server.url, password="wrong")


def test_one_that_does_not_come_up_says_why():
    server = PostgresServer(shared_buffers="nonsense")
    with pytest.raises(ServerFailed, match=r"shared_buffers.*nonsense"):
        server.start()
    server.close()
