"""Nothing waits for ever: a server that says nothing, is stopped, locked, gone; several hosts."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver, session
from qml.seam.rows import Verdict
from qml.values.config import PostgresConfig
from qml.values.errors import ConfigurationError, StorageUnavailable
from tests.servers import PostgresServer, postgres_url
from tests.servers.proxy import Proxy
from tests.work.support import eventually

from . import postgres_store
from .making import claim, everything, move, put, row

SHORT = {"statement_timeout": 0.5, "connect_timeout": 0.5}


@contextlib.contextmanager
def within(seconds):
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds + 5  # for a machine that is busy


@pytest.fixture
def store(tmp_path):
    return postgres_store.config(tmp_path)


@pytest.fixture
def make(store):
    made = []

    def make(url=None, **settings):
        made.append(
            PostgresDriver(
                PostgresConfig(url or store.database_url, store.schema_name, **SHORT | settings)
            )
        )
        return made[-1]

    make().install()
    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def proxy():
    with Proxy.to(postgres_url()) as proxy:
        yield proxy


@pytest.fixture
def silent():
    """A port that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_server_that_falls_silent(make, proxy):
    driver = make(proxy.url_of(postgres_url()))
    put(driver, row("a"))
    proxy.silence()
    for ask in (lambda: driver.insert([row("b")]), lambda: driver.claim(claim()), driver.time):
        told = r"no answer came within 0\.5 s .statement_timeout"
        with within(1.5), pytest.raises(StorageUnavailable, match=told):
            ask()
        proxy.heal()
        assert driver.load(["a"])[0].id == "a"
        proxy.silence()


def test_a_server_that_never_says_anything(make, silent):
    driver = make(f"postgresql://postgres@127.0.0.1:{silent}/postgres")
    with within(1.5), pytest.raises(StorageUnavailable, match=rf"{silent}.* cannot be reached: no"):
        driver.install()


def test_a_server_that_is_stopped_and_goes_on():
    with PostgresServer() as server:
        driver = PostgresDriver(PostgresConfig(server.url, **SHORT))
        driver.install()
        put(driver, row("a"))
        server.pause()
        with within(1.5), pytest.raises(StorageUnavailable, match="no answer came within"):
            driver.insert([row("b")])
        with within(1.5), pytest.raises(StorageUnavailable, match="cannot be reached: no answer"):
            driver.load(["a"])  # on a new connection
        server.resume()
        assert driver.load(["a"])[0].id == "a"
        driver.close()


def test_a_port_where_nobody_listens(make, proxy):
    proxy.refuse()
    driver = make(proxy.url_of(postgres_url()))
    with within(1), pytest.raises(StorageUnavailable, match=r"cannot be reached.*refused"):
        driver.load(["a"])


def test_a_row_that_another_keeps_locked(make, store):
    driver = make()
    [a] = put(driver, row("a"))
    other = psycopg2.connect(store.database_url)
    schema = postgres_store.quoted(store.schema_name)
    other.cursor().execute(f"SELECT FROM {schema}.qml_jobs FOR UPDATE")
    with within(1.5), pytest.raises(StorageUnavailable, match="statement_timeout"):
        driver.swap([move(a)])
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    eventually(lambda: postgres_store.ask(waiting) == [(0,)])
    other.close()
    assert driver.swap([move(a)]) == [Verdict.DONE]


def test_the_first_host_that_serves_is_taken(make, silent, proxy):
    proxy.refuse()
    port = urlsplit(postgres_url()).port
    hosts = f"127.0.0.1:{proxy.port},127.0.0.1:{silent},127.0.0.1:{port}"
    driver = make(f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write")
    with within(2):
        assert driver.load(["a"]) == [None]
    assert hosts in driver.describe()


def test_hosts_may_share_a_port(make, silent):
    url = f"postgresql://postgres@/postgres?host=127.0.0.1,127.0.0.2&port={silent}"
    with within(2), pytest.raises(StorageUnavailable, match=r"127\.0\.0\.2"):
        make(url).load(["a"])


def test_a_standby_is_passed_over(make):
    with PostgresServer(default_transaction_read_only="on") as server:
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{urlsplit(postgres_url()).port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        assert make(url).load(["a"]) == [None]
        lone = make(server.url)
        with pytest.raises(StorageUnavailable, match=r"read-only.*target_session_attrs"):
            lone.install()


@pytest.mark.parametrize(
    ("setting", "fault"), [("sslmode=never", "sslmode"), ("colour=blue", "colour")]
)
def test_a_setting_that_libpq_does_not_know(setting, fault):
    with pytest.raises((ConfigurationError, StorageUnavailable), match=fault):
        PostgresDriver(PostgresConfig(f"{postgres_url()}?{setting}")).install()


def test_a_session_in_the_middle_of_something_is_not_lent_again(make, monkeypatch):
    driver = make()
    put(driver, row("a"))

    def interrupted(*given, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "is_ready", interrupted)
    with pytest.raises(KeyboardInterrupt):
        driver.insert([row("b")])
    monkeypatch.undo()
    assert driver.insert([row("c")]).obstacles == []
    assert everything(driver)[0].id == "a"
