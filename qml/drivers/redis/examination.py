"""What an operator should know about the server, so that it can keep the promises."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import redis

from ...seam.findings import Finding, Findings, Severity
from ...values.config import RedisConfig
from ...values.errors import StorageError, StorageUnavailable
from ...values.figures import size
from . import mending, schema
from .connections import Connections
from .texts import pairs

OK, NOTE, WARNING, ERROR = Severity.OK, Severity.NOTE, Severity.WARNING, Severity.ERROR

FULL, NEARLY_FULL = 0.9, 0.75
"""Shares of maxmemory or maxclients that are in use."""

SETTINGS = ("save", "appendfsync", "min-replicas-to-write")
"""What INFO does not tell."""


class Facts(NamedTuple):
    """What the server tells, and what is found in the keys."""

    info: dict[str, Any]  # empty = this user may not ask
    settings: dict[str, str]  # those of SETTINGS that this user may ask for
    schema: int
    max_connections: int
    wrong: list[tuple[str, int, int]]  # see mending.check


Judgement = Iterator[Finding]


def examine(connections: Connections, config: RedisConfig) -> Findings:
    """Ask the server, and change nothing."""
    return judge(
        Facts(
            info=schema.server_info(connections),
            settings=_settings(connections),
            schema=schema.present_version(connections),
            max_connections=config.max_connections,
            wrong=mending.check(connections),
        )
    )


def versions(connections: Connections) -> list[str]:
    """Of the library and, where this user may ask for it, of the server."""
    info = schema.server_info(connections)
    return [f"redis-py {redis.__version__}", *([_program(info)] if info else [])]


def _program(info: dict[str, Any]) -> str:
    valkey = info.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version')}"


def _settings(connections: Connections) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in SETTINGS:
        try:
            for setting, value in pairs(connections.ask("CONFIG", "GET", name)):
                found[setting.decode()] = value.decode("utf-8", "replace")
        except StorageUnavailable:
            raise
        except StorageError:
            return found  # many who run Redis for others forbid it
    return found


def judge(facts: Facts) -> Findings:
    """What the answers mean."""
    topics = [indexes, layout]
    if not facts.info:
        fact = "the server does not tell this user what it is and how durable it is"
        cure = "allow it INFO: ACL SETUSER name +info +config|get"
        return [Finding(NOTE, "server", fact, cure), *indexes(facts), *layout(facts)]
    topics = [server, role, eviction, persistence, replicas, memory, clients, *topics]
    return [finding for topic in topics for finding in topic(facts)]


def server(facts: Facts) -> Judgement:
    """Which program it is."""
    info = facts.info
    fact = _program(info)
    if info.get("cluster_enabled"):
        fact += ", a node of a cluster: all of this store's keys are in one slot"
    if schema.version_of(info) < schema.OLDEST_SERVER:
        yield Finding(ERROR, "server", fact, "qml needs Redis 6.2 or later, or Valkey")
    else:
        yield Finding(OK, "server", fact)


def role(facts: Facts) -> Judgement:
    """Whether it takes writes."""
    info = facts.info
    if info.get("role") == "slave":
        primary = f"{info.get('master_host')}:{info.get('master_port')}"
        yield Finding(ERROR, "role", f"a replica of {primary}", "connect to the primary")


def eviction(facts: Facts) -> Judgement:
    """Whether it deletes jobs when its memory is full."""
    policy = facts.info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield Finding(OK, "eviction", "noeviction: when its memory is full it refuses new jobs")
        return
    cure = "CONFIG SET maxmemory-policy noeviction, and in its configuration"
    fact = f"maxmemory-policy is {policy}: when its memory is full it deletes "
    if not schema.deletes_jobs(policy):
        fact += "what qml keeps for replies that get lost, but no job"
        yield Finding(WARNING, "eviction", fact, cure)
    elif facts.info.get("maxmemory"):
        yield Finding(ERROR, "eviction", fact + "jobs", cure)
    else:
        fact += "jobs; there is no maxmemory yet"
        yield Finding(WARNING, "eviction", fact, cure)


def persistence(facts: Facts) -> Judgement:
    """What is left after a crash of the server or a power cut."""
    info, sync = facts.info, facts.settings.get("appendfsync")
    cure = "CONFIG SET appendonly yes, and in its configuration"
    if info.get("aof_enabled"):
        yield _append_only(sync)
    elif info.get("rdb_last_save_time") and facts.settings.get("save", "?"):
        fact = "snapshots only: a crash loses all since the last one, some minutes"
        yield Finding(WARNING, "durability", fact, cure)
    else:
        fact = "it writes nothing to disk: a crash or a restart loses every job"
        yield Finding(ERROR, "durability", fact, cure)
    for name, what in (("aof_last_write_status", "log"), ("rdb_last_bgsave_status", "snapshot")):
        if info.get(name, "ok") != "ok":
            fact = f"it could not write its {what} to disk the last time ({name})"
            yield Finding(ERROR, "disk", fact, "free space on its disk, and look into its log")


def _append_only(sync: str | None) -> Finding:
    if sync == "always":
        return Finding(OK, "durability", "each write is on disk before it is answered")
    if sync == "no":
        fact = "the system decides when its log is on disk: a power cut loses about half a minute"
        return Finding(WARNING, "durability", fact, "CONFIG SET appendfsync everysec, or always")
    if sync == "everysec":
        fact = "its log is on disk each second: a power cut loses up to that, a kill nothing"
        return Finding(NOTE, "durability", fact, "CONFIG SET appendfsync always, to lose nothing")
    return Finding(NOTE, "durability", "it keeps a log on disk; how often it is flushed it hides")


def replicas(facts: Facts) -> Judgement:
    """What a failover may lose."""
    number = facts.info.get("connected_slaves", 0)
    if not number or facts.info.get("role") == "slave":
        return
    fact = f"{number} {'replica' if number == 1 else 'replicas'}"
    if facts.settings.get("min-replicas-to-write", "0") == "0":
        fact += " that nobody waits for: a failover may lose the last moments"
        cure = "CONFIG SET min-replicas-to-write 1 bounds that"
        yield Finding(NOTE, "replicas", fact, cure)
    else:
        yield Finding(OK, "replicas", fact)


def memory(facts: Facts) -> Judgement:
    """How much room is left."""
    used, limit = facts.info.get("used_memory", 0), facts.info.get("maxmemory", 0)
    if not limit:
        fact = f"{size(used)} in use, without a limit: the system ends it when there is no more"
        yield Finding(NOTE, "memory", fact, "CONFIG SET maxmemory to less than the machine has")
        return
    fact = f"{size(used)} of {size(limit)} in use"
    yield _share("memory", used / limit, fact, "raise maxmemory, or keep finished jobs for less")


def clients(facts: Facts) -> Judgement:
    """Whether there is room for connections."""
    there, limit = facts.info.get("connected_clients", 0), facts.info.get("maxclients", 0)
    if not limit:
        return
    fact = f"{there:,} of {limit:,} connections in use; each process of qml opens up to "
    fact += f"{facts.max_connections + 1}"
    share = (there + facts.max_connections) / limit
    yield _share("connections", share, fact, "raise maxclients, or lower max_connections")


def _share(topic: str, share: float, fact: str, cure: str) -> Finding:
    if share < NEARLY_FULL:
        return Finding(OK, topic, fact)
    return Finding(ERROR if share > FULL else WARNING, topic, fact, cure)


def layout(facts: Facts) -> Judgement:
    """Whether this qml knows the keys."""
    fact = f"version {facts.schema}, of {schema.NEWEST} known here"
    if facts.schema > schema.NEWEST:
        cure = "upgrade qml: pip install -U queue-me-later"
        yield Finding(ERROR, "schema", fact, cure)
    else:
        yield Finding(OK, "schema", fact)


def indexes(facts: Facts) -> Judgement:
    """Whether every index has as many entries as there are jobs for it."""
    if facts.wrong:
        cure = "a running server mends that by itself; find out who deletes keys"
        yield Finding(WARNING, "indexes", mending.told(facts.wrong), cure)
    else:
        yield Finding(OK, "indexes", "they have as many entries as they should")
