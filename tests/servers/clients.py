"""Clients that ask once and wait a while: what a server says reaches the test as it is."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@contextlib.contextmanager
def connection(url: str, **options: Any) -> "Iterator[psycopg2.extensions.connection]":
    """A connection to PostgreSQL in which each statement is a transaction."""
    made = psycopg2.connect(url, **options)
    try:
        made.autocommit = True
        yield made
    finally:
        made.close()


def ask(connected: "psycopg2.extensions.connection", sql: str) -> Any:
    """The one value that a query gives, or None of other statements."""
    with connected.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def redis_client(url: str, timeout: float = 10) -> "redis.Redis":
    """A client of Redis; redis-py itself would repeat a command whose reply was lost."""
    return redis.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=timeout, decode_responses=True
    )
