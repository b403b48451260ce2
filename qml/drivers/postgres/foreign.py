"""Rows stored in a caller's own transaction, on a caller's own connection of psycopg2."""

from collections.abc import Sequence
from typing import Any, cast

import psycopg2
from psycopg2 import extensions

from ...seam.rows import Inserted, Row
from ...values.errors import ConfigurationError, StorageError, StorageUnavailable
from . import storing, troubles
from .connections import Call, Connections
from .within import Within

WANTED = "a psycopg2 connection, or a SQLAlchemy Connection or Session over one"


def insert_in(connections: Connections, connection: Any, rows: Sequence[Row]) -> Inserted:
    """See Transactional.insert_in. The hint to those who wait is sent by the commit."""
    _check(connections, connection)
    within = Within(connections.sql, connection)
    try:
        _check_place(connections, within)
        inserted = storing.insert(cast("Call", within), rows, None)
        if not inserted.obstacles:
            within.run(within.sql["notify"], {})
        return inserted
    except psycopg2.Error as error:
        raise _translated(connections, connection, error) from error
    except ConfigurationError:
        raise
    except ValueError as error:
        what = f"{connections.name} cannot keep such a text: {error}"
        if connection.encoding != "UTF8":
            what = f"this connection's client_encoding is {connection.encoding}, which has not all "
            what += f"of this text ({error}); connection.set_client_encoding('UTF8')"
        raise StorageError(what) from error


def _check(connections: Connections, connection: Any) -> None:
    if not isinstance(connection, extensions.connection):
        raise ConfigurationError(
            f"a {type(connection).__module__}.{type(connection).__name__} cannot take jobs of "
            f"{connections.name} into its transaction; give {WANTED}"
        )
    if connection.async_:
        raise ConfigurationError(f"this connection is asynchronous; give {WANTED}")
    idle = connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
    if connection.autocommit and idle:
        raise ConfigurationError(
            "this connection commits each statement at once (autocommit), and no transaction is "
            "open on it; turn that off, or enqueue without a connection"
        )


def _check_place(connections: Connections, within: Within) -> None:
    """Whether the connection sees the very table. What the store said is kept, and asked again when
    it differs: its server may have been started anew."""
    schema = {"schema": connections.sql.schema}
    theirs = within.run(within.sql["whereabouts"], schema)
    if theirs != connections.whereabouts:
        connections.whereabouts = connections.ask("whereabouts", schema)
    if theirs != connections.whereabouts:
        raise ConfigurationError(
            f"this connection would commit elsewhere: it is to {_told(within)}, and the jobs are "
            f"in {connections.name}; connect to that database, or keep the jobs in yours"
        )


def _told(within: Within) -> str:
    [(database, host, port)] = within.run(within.sql["place"], {})
    return f"PostgreSQL at {host or 'localhost'}:{port or 'a socket'}/{database}"


def _translated(
    connections: Connections, connection: extensions.connection, error: psycopg2.Error
) -> StorageError:
    if connection.closed:
        return StorageError(
            f"{connections.name}: this connection is closed: {connections.told(error)}"
        )
    if error.pgcode in troubles.AGAIN:
        return StorageUnavailable(
            f"{connections.name}: {connections.told(error)}; roll your transaction back, and do it "
            "again"
        )
    return connections.refused(error)
