"""The version of the keys' layout, and which servers will do."""

import functools
import logging
import re
from typing import Any

from ..._version import __version__
from ...values.errors import MigrationError, StorageError, StorageUnavailable
from .connections import Connections

log = logging.getLogger("qml.redis")

NEWEST = 1

OLDEST_SERVER = (6, 2)


def install(connections: Connections, *, create: bool) -> None:
    """Refuse a server that will not do, and write down the version of the layout, once. Several
    processes may do this at once. Without ``create`` it must be there."""
    name = connections.name
    _check_server(name, server_info(connections))
    present = present_version(connections)
    if present == 0 and not create:
        raise StorageUnavailable(
            f"{name} holds no jobs of qml, and looking makes nothing; it comes with the first job "
            "or server, or is under another key_prefix"
        )
    present = present or written_down(connections)
    if present > NEWEST:
        raise MigrationError(
            f"{name} has schema version {present}, made by a newer qml; this is qml {__version__}, "
            f"which knows versions up to {NEWEST}: upgrade it (pip install -U queue-me-later)"
        )


def remove(connections: Connections) -> None:
    """Remove every key of this prefix, in steps."""
    base = connections.base.encode()
    pattern = re.sub(rb"([*?\[\]\\^])", rb"\\\1", base) + b"*"
    cursor = b"0"
    while True:
        cursor, keys = connections.ask("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        if keys:
            connections.ask("UNLINK", *keys)
        if cursor == b"0":
            return


def present_version(connections: Connections) -> int:
    """The version of the layout in the server; 0 when there is none."""
    key = f"{connections.base}schema"
    found = connections.ask("GET", key)
    if found is None:
        return 0
    if not found.isdigit():
        raise MigrationError(
            f"{connections.name}: the key {key} does not say of which version qml's keys are; if "
            f"they are qml's own, DEL {key} and connect anew; else choose another key_prefix"
        )
    return int(found)


def written_down(connections: Connections) -> int:
    """The version of the layout in the server; ours, where there was none."""
    connections.ask("SET", f"{connections.base}schema", NEWEST, "NX")
    return present_version(connections)


def server_info(connections: Connections) -> dict[str, Any]:
    """What the server tells of itself; nothing when this user may not ask."""
    try:
        told = connections.ask("INFO").decode("utf-8", "replace")
    except StorageUnavailable:
        raise
    except StorageError:
        return {}
    found = (line.partition(":") for line in told.splitlines() if not line.startswith("#"))
    return {name: int(value) if value.isdecimal() else value for name, _, value in found}


def version_of(info: dict[str, Any]) -> tuple[int, ...]:
    """The version of Redis that the server is, or is compatible with."""
    return tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])


def _check_server(name: str, info: dict[str, Any]) -> None:
    if "redis_version" in info and version_of(info) < OLDEST_SERVER:
        raise StorageError(
            f"{name} is Redis {info['redis_version']}; qml needs Redis 6.2 or later, or Valkey"
        )
    if info.get("role") == "slave" and info.get("slave_read_only", 1):
        raise StorageUnavailable(
            f"{name} is a read-only replica; connect to its primary, "
            f"{info.get('master_host')}:{info.get('master_port')}"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if deletes_jobs(policy):
        _warn_once(name, policy)


def deletes_jobs(policy: str) -> bool:
    """Whether a server of this maxmemory-policy deletes jobs when its memory is full. A volatile
    one deletes keys that expire by themselves, and these are none of the jobs'."""
    return policy != "noeviction" and not policy.startswith("volatile-")


@functools.cache
def _warn_once(name: str, policy: str) -> None:
    log.warning(
        "%s: its maxmemory-policy is %s, so it deletes jobs when its memory is full; set it to "
        "noeviction (CONFIG SET maxmemory-policy noeviction, and in its configuration)",
        *(name, policy),
    )
