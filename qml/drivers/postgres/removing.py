"""Removes a schema with all that is in it, for tests and proofs, which leave nothing behind."""

from ...values.config import PostgresConfig
from ..statements import read_page
from .connections import Connections


def remove(config: PostgresConfig) -> None:
    """Drop the schema of ``config``, jobs and all, and whatever others put into it."""
    connections = Connections(config)
    text = connections.sql.of_schema(read_page(__package__, "removing.sql")["drop_schema"])
    try:
        connections.write(lambda call: call.run(text, {}))
    finally:
        connections.pool.close()
