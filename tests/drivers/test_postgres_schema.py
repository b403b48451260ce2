"""The schema: made once, by whoever may; refused when it does not fit; of any name."""

import contextlib
import random
from urllib.parse import urlsplit

import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver, schema
from qml.seam.rows import Page
from qml.values.config import PostgresConfig
from qml.values.errors import MigrationError, StorageError, StorageUnavailable
from tests.servers import postgres_url

from .making import claim, ids, later, move, put, row
from .postgres_store import ask, quoted
from .test_life import drain_hints, in_threads, waiting

NAMES = {
    "quotes": 'it\'s "quoted"',
    "percent": "100%% %s %(id)s",
    "braces": "{schema} {columns} {0}",
    "emoji": "👩‍👩‍👧 é",
    "spaces": " a\tb\n",
    "sql": '"; DROP SCHEMA public; --',
    "backslash": "a\\b'",
    "longest": "x" * 63,
    "keyword": "select",
    "upper": "QML",
}


@pytest.fixture
def name():
    """The name of a schema that is not there, before and after."""
    ask('DROP SCHEMA IF EXISTS "test schema" CASCADE')
    yield "test schema"
    ask('DROP SCHEMA IF EXISTS "test schema" CASCADE')


@contextlib.contextmanager
def opened(name, url=None, **settings):
    driver = PostgresDriver(PostgresConfig(url or postgres_url(), name, **settings))
    try:
        yield driver
    finally:
        driver.close()


def there(name):
    return bool(ask("SELECT 1 FROM pg_namespace WHERE nspname = %s", name))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_any_name(name):
    with opened(name) as driver, opened(name + "x" if len(name) < 60 else "y") as other:
        driver.install()
        other.install()
        [a, _] = put(driver, row("a", unique_key="k"), later("b", 5))
        assert ids(driver.claim(claim()).rows) == ["a", "b"]
        assert driver.swap([move(a._replace(version=1))]) is not None
        assert driver.write("r", "{}", 0)
        assert other.load(["a"]) == [None]
        assert (name if name.isprintable() else repr(name)) in driver.describe()
        drain_hints(driver)
        thread, got = waiting(driver)
        driver.notify()
        thread.join()
        assert got[0] is True
    for each in (driver, other):
        ask(f"DROP SCHEMA {quoted(each._config.schema_name)} CASCADE")


def test_installing_is_done_by_one_of_many(name):
    def work(number):
        with opened(name) as driver:
            driver.install()
            put(driver, row(str(number)))

    in_threads(8, work)
    with opened(name) as driver:
        assert sum(driver.count(Page(), "state").values()) == 8


def test_a_newer_schema_is_refused(name):
    with opened(name) as driver:
        driver.install()
        put(driver, row("a"))
        ask(f"UPDATE {quoted(name)}.qml_meta SET value = '999' WHERE name = 'schema'")
        for settings in ({}, {"auto_migrate": False}):
            with (
                opened(name, **settings) as late,
                pytest.raises(MigrationError, match=r"version 999, made by a newer qml.*upgrade"),
            ):
                late.install()


def test_a_missing_schema_is_refused_and_not_made_by_who_may_not(name):
    with opened(name, auto_migrate=False) as driver:
        with pytest.raises(MigrationError, match=r"127.*test schema.*no jobs of qml.*auto_migrate"):
            driver.install()
        assert not there(name)
        with pytest.raises(StorageError, match="not there"):
            driver.insert([row("a")])


def test_an_older_schema_is_refused_and_not_changed_by_who_may_not(name, monkeypatch):
    with opened(name) as driver:
        driver.install()
    monkeypatch.setattr(schema, "NEWEST", 2)
    statement = "CREATE TABLE {schema}.qml_more (a int)"
    monkeypatch.setitem(schema.MIGRATIONS, 2, statement)
    with (
        opened(name, auto_migrate=False) as driver,
        pytest.raises(MigrationError, match=r"schema version 1.*needs version 2.*auto_migrate"),
    ):
        driver.install()
    with opened(name) as driver:
        driver.install()
        driver.install()
    assert ask(f"SELECT count(*) FROM {quoted(name)}.qml_more") == [(0,)]


def test_a_migration_that_fails_leaves_nothing(name, monkeypatch):
    broken = schema.MIGRATIONS[1] + "CREATE TABLE {schema}.qml_jobs (twice int);"
    monkeypatch.setitem(schema.MIGRATIONS, 1, broken)
    with opened(name) as driver, pytest.raises(StorageError, match="already exists"):
        driver.install()
    assert not there(name)
    monkeypatch.undo()
    with opened(name) as driver:
        driver.install()
        put(driver, row("a"))


@pytest.fixture
def role():
    """The URL of a user without rights."""
    ask("DROP ROLE IF EXISTS qml_test; CREATE ROLE qml_test LOGIN PASSWORD 'x'")
    yield (
        urlsplit(postgres_url())
        ._replace(netloc=f"qml_test:x@{urlsplit(postgres_url()).netloc.rpartition('@')[2]}")
        .geturl()
    )
    ask("DROP OWNED BY qml_test; DROP ROLE qml_test")


def test_who_may_not_create_a_schema_works_in_one_that_is_there(name, role):
    with opened(name, role) as driver:
        with pytest.raises(StorageError, match=r"postgres; give the role.*it needs CREATE on the"):
            driver.install()
        ask(f"CREATE SCHEMA {quoted(name)}; GRANT ALL ON SCHEMA {quoted(name)} TO qml_test")
        driver.install()
        put(driver, row("a"))


def test_who_may_only_use_the_tables_works_with_them(name, role):
    with opened(name) as owner:
        owner.install()
        ask(
            f"GRANT USAGE ON SCHEMA {quoted(name)} TO qml_test; "
            f"GRANT ALL ON ALL TABLES IN SCHEMA {quoted(name)} TO qml_test"
        )
        with opened(name, role) as driver:
            driver.install()
            [a] = put(driver, row("a"))
            assert len(driver.swap([move(a)])) == 1


def test_a_database_of_another_encoding_is_refused(name):
    ask("DROP DATABASE IF EXISTS qml_latin")
    ask("CREATE DATABASE qml_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    url = urlsplit(postgres_url())._replace(path="/qml_latin").geturl()
    with opened(name, url) as driver, pytest.raises(MigrationError, match=r"LATIN1.*UTF8"):
        driver.install()
    ask("DROP DATABASE qml_latin")


def test_a_database_that_is_not_there(name):
    url = urlsplit(postgres_url())._replace(path="/nowhere").geturl()
    with opened(name, url) as driver, pytest.raises(StorageUnavailable, match=r'"nowhere" does no'):
        driver.install()


def test_a_schema_dropped_under_a_driver(name):
    with opened(name) as driver:
        driver.install()
        put(driver, row("a"))
        ask(f"DROP SCHEMA {quoted(name)} CASCADE")
        with pytest.raises(MigrationError, match=r'qml_jobs" does not exist; .* connect anew'):
            driver.load(["a"])
        with opened(name) as anew:
            anew.install()
        put(driver, row("a"))


LOSSES = {
    "qml_meta": "DROP TABLE {}.qml_meta",
    "qml_news, qml_ticks": "DROP TABLE {0}.qml_news, {0}.qml_ticks",
    "its version": "DELETE FROM {0}.qml_meta; INSERT INTO {0}.qml_meta VALUES ('other', '1')",
}


@pytest.mark.parametrize("lost", LOSSES)
def test_what_somebody_has_dropped_is_told_and_not_made_beside_the_rest(name, lost):
    with opened(name) as driver:
        driver.install()
        put(driver, row("a"))
        ask(LOSSES[lost].replace("{}", "{0}").format(quoted(name)))
        for settings in ({}, {"auto_migrate": False}):
            with (
                opened(name, **settings) as anew,
                pytest.raises(MigrationError, match=f"lost {lost}: restore .* drop what is left"),
            ):
                anew.install()
        assert driver.load(["a"]) != [None]


def test_nothing_is_made_outside_the_schema(name):
    before = ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    with opened(name) as driver:
        driver.install()
        put(driver, row("a"))
    after = ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert after == before


def test_a_name_too_long_for_an_index_is_told(name):
    long = "".join(chr(random.Random(place).randrange(33, 50_000)) for place in range(4_000))
    with opened(name) as driver:
        driver.install()
        with pytest.raises(StorageError, match="cannot index a name longer than"):
            driver.insert([row(long)])
        put(driver, row("a"))


def test_what_psycopg2_alone_sees(name):
    """Times as whole microseconds, and no JSON type: a text comes back as it was."""
    with opened(name) as driver:
        driver.install()
        put(driver, row("a", due_at=7, payload='{"a":  1}'))
    connection = psycopg2.connect(postgres_url())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT due_at, payload, ready FROM {quoted(name)}.qml_jobs")
        assert cursor.fetchall() == [(7, '{"a":  1}', False)]
    connection.close()


def test_large_texts_are_compressed_by_lz4_where_the_server_has_it(name):
    """It may have none: then by its default, as ever."""
    with opened(name) as driver:
        driver.install()
        put(driver, row("a", payload="large text " * 10_000, detail="large text " * 10_000))
    settings = "SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'"
    if not any("lz4" in allowed for (allowed,) in ask(settings)):
        return
    how = f"pg_column_compression(payload), pg_column_compression(detail) FROM {quoted(name)}"
    assert ask(f"SELECT {how}.qml_jobs") == [("lz4", "lz4")]


def test_every_text_is_ordered_by_its_bytes(name):
    """Whatever the database's own order, as in all other stores."""
    with opened(name) as driver:
        driver.install()
    found = ask(
        "SELECT DISTINCT c.collname FROM pg_attribute AS a JOIN pg_collation AS c "
        "ON c.oid = a.attcollation WHERE a.attrelid IN "
        "(SELECT oid FROM pg_class WHERE relnamespace = %s::regnamespace)",
        quoted(name),
    )
    assert found == [("C",)]
