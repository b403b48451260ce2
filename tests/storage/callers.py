"""Callers with transactions of their own: on each database, by each kind of connection."""

import contextlib

import psycopg2
import psycopg2.extras
import sqlalchemy
from sqlalchemy import orm

from qml.drivers.sqlite.library import library
from tests.drivers import postgres_store
from tests.servers import postgres_url
from tests.storage.stores import KINDS

DATABASES = ("sqlite", "postgres")

WAYS = ("driver", "Connection", "Session", "scoped_session")


class Database:
    """A store, and ways to connect to its database that are not qml's. ``mark``: how a statement
    names a parameter."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.config = KINDS[kind](folder)
        self.mark = "?" if kind == "sqlite" else "%s"

    @property
    def path(self):
        return self.config.removeprefix("sqlite:///")

    @property
    def table(self):
        """A table of the caller's, which each test finds empty."""
        if self.kind == "sqlite":
            return "ledger"
        return f"{postgres_store.quoted(self.config.schema_name)}.ledger"

    def make_table(self):
        """Once the store is there."""
        with self.driver() as connection:
            cursor = connection.cursor()
            cursor.execute(f"DROP TABLE IF EXISTS {self.table}")
            cursor.execute(f"CREATE TABLE {self.table} (line TEXT)")
            connection.commit()

    def lines(self):
        """What was committed to the table."""
        with self.driver() as connection:
            cursor = connection.cursor()
            cursor.execute(f"SELECT line FROM {self.table} ORDER BY line")
            return [line for (line,) in cursor.fetchall()]

    def writes(self, line):
        """A statement that adds a line, which is a plain word."""
        return f"INSERT INTO {self.table} VALUES ('{line}')"

    @contextlib.contextmanager
    def driver(self, **options):
        """A connection of the database's own library."""
        if self.kind == "sqlite":
            connection = library.connect(self.path, **options)
        else:
            connection = psycopg2.connect(postgres_url(), **options)
        with contextlib.closing(connection):
            yield connection

    @contextlib.contextmanager
    def engine(self, **options):
        """SQLAlchemy's."""
        if self.kind == "sqlite":
            engine = sqlalchemy.create_engine(f"sqlite:///{self.path}", module=library, **options)
        else:
            url = sqlalchemy.make_url(postgres_url()).set(drivername="postgresql+psycopg2")
            engine = sqlalchemy.create_engine(url, **options)
        try:
            yield engine
        finally:
            engine.dispose()

    @contextlib.contextmanager
    def caller(self, way):
        """``commit``, ``rollback`` and ``execute``, whatever it is."""
        if way == "driver":
            with self.driver() as connection:
                yield connection, connection.cursor().execute
            return
        with self.engine() as engine:
            if way == "Connection":
                with engine.connect() as connection:
                    yield connection, connection.exec_driver_sql
                return
            session = orm.Session(engine)
            if way == "scoped_session":
                session = orm.scoped_session(orm.sessionmaker(engine))
            try:
                yield session, lambda text: session.execute(sqlalchemy.text(text))
            finally:
                session.close()
