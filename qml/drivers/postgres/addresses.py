"""Where a URL leads: the hosts in turn, as libpq would try them, each with what it takes."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn

from ...values.config import PostgresConfig
from ...values.errors import ConfigurationError
from .troubles import told

Parameters = dict[str, Any]

_LISTS = ("host", "hostaddr", "port")

_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "service": "PGSERVICE",
}
"""Where libpq looks for what a URL does not say."""


def parameters(config: PostgresConfig) -> Parameters:
    """libpq's parameters of a URL. ConfigurationError when libpq cannot read it."""
    try:
        given: Parameters = parse_dsn(config.database_url)
    except psycopg2.ProgrammingError as error:
        message = told(error, config.database_url)
        raise ConfigurationError(f"PostgresConfig database_url: {message}") from None
    # Told when connecting, and not set later: a pooler keeps it apart for each client.
    return {"fallback_application_name": "qml", **given, "client_encoding": "UTF8"}


def each_host(given: Parameters) -> Iterator[Parameters]:
    """One set of parameters per host: asynchronously, libpq would wait for the first for ever."""
    lists = {name: str(given[name]).split(",") for name in _LISTS if name in given}
    count = max(map(len, (lists.get("host", []), lists.get("hostaddr", []), [""])))
    for index in range(count):
        yield given | {name: values[index % len(values)] for name, values in lists.items()}


def described(given: Mapping[str, Any], schema: str) -> str:
    """The store for people, without a password. What a service says, stands in libpq's own file."""
    around = {name: os.environ.get(variable) for name, variable in _VARIABLES.items()}
    given = {**around, **given}
    hosts = str(given["host"] or given["hostaddr"] or "localhost").split(",")
    ports = str(given["port"] or 5432).split(",")
    where = ",".join(f"{host}:{ports[i % len(ports)]}" for i, host in enumerate(hosts))
    if given["service"]:
        where = f"service {given['service']}"
    name = schema if schema.isprintable() else repr(schema)
    database = given["dbname"] or given["user"] or ""
    return f"PostgreSQL at {where}/{database} (schema {name})"
