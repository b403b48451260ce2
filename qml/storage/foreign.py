"""What callers give as their transaction: connections of drivers, and SQLAlchemy's around them."""

from typing import Any

from ..values.errors import ConfigurationError, StorageError

SESSIONS = ("Session", "scoped_session")
ASYNCHRONOUS = ("AsyncSession", "AsyncConnection", "async_scoped_session")


def raw(connection: Any) -> Any:
    """The driver's own connection that a SQLAlchemy ``Connection`` or ``Session`` works on, in a
    transaction of theirs from now on, if it was not; anything else as it is. SQLAlchemy is known by
    name: who does not use it need not have it."""
    names = _names(connection)
    if names.intersection(ASYNCHRONOUS):
        raise ConfigurationError(
            f"{type(connection).__name__} is asynchronous; enqueue within its run_sync, with the "
            "Connection or Session that this passes, over sqlite3 or psycopg2"
        )
    if names.intersection(SESSIONS):
        connection = _of_session(connection)
    elif "Connection" not in names:
        return connection
    try:
        return _driven(connection)
    except Exception as error:
        raise StorageError(
            f"this {type(connection).__name__} is not usable ({type(error).__name__}: {error}); "
            "give one that is open, and roll back one whose transaction has failed"
        ) from error


def _driven(connection: Any) -> Any:
    if not connection.in_transaction():
        connection.begin()  # as its first statement would; or its commit would do nothing
    return connection.connection.driver_connection


def session(connection: Any) -> Any:
    """The SQLAlchemy ``Session`` that this is, or that it stands for at present; None = it is
    something else."""
    names = _names(connection)
    return connection() if "scoped_session" in names else connection if "Session" in names else None


def _names(connection: Any) -> set[str]:
    """By which SQLAlchemy's classes know it."""
    return {
        kind.__name__
        for kind in type(connection).__mro__
        if kind.__module__.partition(".")[0] == "sqlalchemy"
    }


def _of_session(session: Any) -> Any:
    try:
        return session.connection()
    except Exception as error:
        raise ConfigurationError(
            f"this {type(session).__name__} does not say which of its databases is meant, or is "
            f"not usable ({type(error).__name__}: {error}); give the connection of the one that "
            "has the jobs: session.connection(bind_arguments={'mapper': ...})"
        ) from error
