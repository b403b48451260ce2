"""Removes all keys of a prefix, for tests and proofs, which leave nothing behind."""

import re

from ...values.config import RedisConfig
from .connections import Connections

AT_ONCE = 1_000
"""Keys looked at in one step: a server does nothing else meanwhile."""


def remove(config: RedisConfig) -> None:
    """Delete every key of the prefix of ``config``. It walks over all keys of the database."""
    connections = Connections(config)
    pattern = re.sub(r"([*?\[\]\\^-])", r"\\\1", connections.base) + "*"
    cursor = b"0"
    try:
        while True:
            cursor, keys = connections.ask("SCAN", cursor, "MATCH", pattern, "COUNT", AT_ONCE)
            if keys:
                connections.ask("UNLINK", *keys)
            if cursor == b"0":
                return
    finally:
        connections.close()
