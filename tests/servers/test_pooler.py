"""The pooler gives nobody a session, and keeps for a client just what PgBouncer keeps."""

import io
import select
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as finished

import psycopg2
import pytest

from tests.servers import Pooler, PostgresServer, postgres_url
from tests.servers.clients import ask, connection


@pytest.fixture
def pooler():
    before = threading.active_count()
    with Pooler(postgres_url()) as pooler:
        yield pooler
    assert threading.active_count() == before


@pytest.fixture
def client(pooler):
    with connection(pooler.url) as client:
        yield client


def test_each_transaction_has_the_next_backend(client):
    one, two, three = (ask(client, "SELECT pg_backend_pid()") for _ in range(3))
    assert one == three != two


def test_within_a_transaction_the_backend_stays(pooler):
    client = psycopg2.connect(pooler.url)
    assert len({ask(client, "SELECT pg_backend_pid()") for _ in range(3)}) == 1
    client.rollback()
    client.close()


def test_a_setting_of_the_session_is_lost(client):
    ask(client, "SET work_mem = '77kB'")
    assert ask(client, "SHOW work_mem") == "4MB"
    assert ask(client, "SHOW work_mem") == "77kB"  # and whoever comes next has it


def test_a_lock_of_the_session_is_lost(client):
    assert ask(client, "SELECT pg_try_advisory_lock(1)")
    assert not ask(client, "SELECT pg_try_advisory_lock(1)")


def test_a_listener_hears_nothing(client):
    ask(client, "LISTEN news")
    with connection(postgres_url()) as other:
        ask(other, "NOTIFY news")
    assert not select.select([client], [], [], 0.2)[0]
    client.poll()
    assert client.notifies == []


def test_settings_that_postgres_reports_follow_their_client(pooler, client):
    with connection(pooler.url, application_name="me") as other:
        ask(other, "SET TimeZone = 'Asia/Tokyo'")
        for _ in range(3):
            assert ask(client, "SHOW application_name") == ""
            assert ask(client, "SHOW TimeZone") != "Asia/Tokyo"
            assert ask(other, "SHOW application_name") == "me"
            assert ask(other, "SHOW TimeZone") == "Asia/Tokyo"


def test_other_startup_parameters_are_refused(pooler):
    with pytest.raises(psycopg2.OperationalError, match="unsupported startup parameter: options"):
        psycopg2.connect(pooler.url, options="-c search_path=mine")


def test_more_clients_than_backends_take_turns(pooler):
    def count(_: int) -> int:
        with connection(pooler.url) as client:
            return sum(ask(client, "SELECT 1") for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(count, range(8))] == [20] * 8


def test_who_finds_no_backend_waits_until_one_is_given_back(pooler, client):
    holders = [psycopg2.connect(pooler.url) for _ in range(2)]
    for holder in holders:
        ask(holder, "SELECT 1")
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, client, "SELECT 1")
        assert not finished([asked], timeout=0.1).done
        holders[0].rollback()
        assert asked.result(timeout=10) == 1
    for holder in holders:
        holder.close()


def test_who_leaves_within_a_transaction_leaves_nothing(pooler, client):
    leaver = psycopg2.connect(pooler.url)
    ask(leaver, "CREATE TABLE left_behind ()")
    leaver.close()
    for _ in range(4):
        assert ask(client, "SELECT to_regclass('left_behind')") is None


def test_much_data_passes_both_ways(client):
    lines = "".join(f"{number}\n" for number in range(100_000))
    ask(client, "CREATE TABLE much (n int)")
    with client.cursor() as cursor:
        cursor.copy_expert("COPY much FROM STDIN", io.StringIO(lines))
        cursor.copy_expert("COPY much TO STDOUT", back := io.StringIO())
    assert back.getvalue() == lines
    ask(client, "DROP TABLE much")


def test_an_error_ends_no_connection(client):
    with pytest.raises(psycopg2.errors.DivisionByZero):
        ask(client, "SELECT 1/0")
    assert ask(client, "SELECT 1") == 1


def test_clients_survive_a_restart_of_the_server_between_their_transactions():
    with (
        PostgresServer() as server,
        Pooler(server.url) as pooler,
        connection(pooler.url) as client,
    ):
        assert ask(client, "SELECT 1") == 1
        server.restart()
        assert ask(client, "SELECT 1") == 1
        server.stop()
        with pytest.raises(psycopg2.OperationalError):
            ask(client, "SELECT 1")
