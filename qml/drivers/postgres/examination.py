"""What an operator should know about a PostgreSQL server that is to keep the promises."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import psycopg2

from ...seam.findings import Finding, Findings, Severity
from ...values.config import PostgresConfig
from ...values.errors import StorageUnavailable
from . import schema
from .connections import Connections
from .feed import Feed
from .session import is_ready

OK, NOTE, WARNING, ERROR = Severity.OK, Severity.NOTE, Severity.WARNING, Severity.ERROR

OLDEST_SERVER = 130_000

HEARD_WITHIN = 2.0
"""Seconds within which a hint must come back to who sent it."""

OPEN_LONG = 600.0
"""Seconds after which an open transaction is told of."""

MANY_DEAD = 100_000
"""Dead rows that are told of, if they are also more than the live ones."""

NEARLY_ALL = 0.9
"""Which share of the server's connections in use is told of."""


class Facts(NamedTuple):
    """What the server tells, in the order of the statements, and the settings of who asks."""

    version: str
    version_number: int
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    read_only: bool
    connections: int
    in_use: int
    autovacuum: bool
    oldest_transaction: float | None
    live: int
    dead: int
    autovacuum_off_here: bool
    schema: int
    deaf: str
    config: PostgresConfig


Judgement = Iterator[Finding]


def examine(connections: Connections, config: PostgresConfig) -> Findings:
    """Ask the server, and change nothing."""
    installed = connections.read(lambda call: schema.present_version(call, connections.name))
    [facts] = connections.ask("facts", {})
    tables = connections.ask("table_facts", {"schema": config.schema_name})
    table = tables[0] if tables else (0, 0, False)
    return judge(Facts._make((*facts, *table, installed, _deafness(connections), config)))


def versions(connections: Connections) -> list[str]:
    """Of the library and of the server."""
    [(server, *_)] = connections.ask("facts", {})
    library = str(getattr(psycopg2, "__version__", "")).partition(" ")[0]  # its types know none
    return [f"psycopg2 {library}", f"PostgreSQL {server}"]


def _deafness(connections: Connections) -> str:
    """Why no hint is heard; empty = one came back."""
    try:
        feed = Feed(connections)
    except StorageUnavailable as error:
        return str(error)
    try:
        connections.notify()
        deadline = time.monotonic() + HEARD_WITHIN
        while not feed.drain():
            if (left := deadline - time.monotonic()) <= 0:
                return f"a hint did not come back within {HEARD_WITHIN:g} s"
            is_ready(feed.fileno(), left)
        return ""
    except StorageUnavailable as error:
        return str(error)
    finally:
        feed.close()


def judge(facts: Facts) -> Findings:
    """What the answers mean."""
    topics = (server, role, layout, durability, clients, wakeups, vacuum, transactions)
    return [finding for topic in topics for finding in topic(facts)]


def server(facts: Facts) -> Judgement:
    """Which PostgreSQL it is."""
    fact = f"PostgreSQL {facts.version}"
    if facts.version_number < OLDEST_SERVER:
        yield Finding(ERROR, "server", fact + ", older than qml works with", "take 13 or later")
    else:
        yield Finding(OK, "server", fact)


def role(facts: Facts) -> Judgement:
    """Whether it takes writes."""
    if facts.read_only:
        cure = "connect to the primary: ?target_session_attrs=read-write beside several hosts"
        yield Finding(ERROR, "role", "the server is a standby, or read-only", cure)


def layout(facts: Facts) -> Judgement:
    """The schema's version."""
    fact = f"version {facts.schema}, of {schema.NEWEST} known here"
    if facts.schema == schema.NEWEST:
        yield Finding(OK, "schema", fact)
    elif facts.schema > schema.NEWEST:
        yield Finding(ERROR, "schema", fact, "upgrade qml here (pip install -U queue-me-later)")
    elif facts.schema:
        yield Finding(ERROR, "schema", fact, "connect once with auto_migrate on")
    else:
        name = facts.config.schema_name
        cure = "look at schema_name and database, or connect once with auto_migrate on"
        yield Finding(ERROR, "schema", f"schema {name} holds no jobs of qml", cure)


def durability(facts: Facts) -> Judgement:
    """What a crash of the server, or a power loss, takes with it."""
    settings = {
        "fsync": (facts.fsync, "a power loss may damage the whole database"),
        "full_page_writes": (facts.full_page_writes, "a power loss may damage tables"),
        "synchronous_commit": (
            facts.synchronous_commit,
            "a crash of the server loses the last acknowledged moments",
        ),
    }
    off = {name: loss for name, (value, loss) in settings.items() if value == "off"}
    for name, loss in off.items():
        yield Finding(WARNING, "durability", f"{name} is off: {loss}", f"set {name} to on")
    if facts.config.durability == "normal":
        fact = "durability is normal here: a crash of the server loses the last moments"
        yield Finding(NOTE, "durability", fact, "durability=full keeps what was acknowledged")
    elif not off:
        fact = f"fsync is on, synchronous_commit is {facts.synchronous_commit}"
        yield Finding(OK, "durability", fact)


def clients(facts: Facts) -> Judgement:
    """The server's connections against those that this storage may open."""
    most = facts.config.max_connections + 1
    fact = (
        f"{facts.in_use} of {facts.connections} connections in use; each storage with this URL "
        f"opens {most} at most"
    )
    if most > facts.connections:
        cure = "lower max_connections here, or raise the server's, or put a pooler in between"
        yield Finding(WARNING, "connections", fact, cure)
    elif facts.in_use > facts.connections * NEARLY_ALL:
        cure = "raise the server's max_connections, or put a pooler in between"
        yield Finding(WARNING, "connections", fact, cure)
    else:
        yield Finding(OK, "connections", fact)


def wakeups(facts: Facts) -> Judgement:
    """Whether those who wait hear of new jobs."""
    if facts.deaf:
        fact = f"hints of new jobs do not arrive ({facts.deaf}), so servers look for jobs instead"
        cure = (
            "a pooler in transaction mode swallows LISTEN: connect servers straight to PostgreSQL, "
            "or live with up to 0.2 s until a job is seen and 5 looks a second when idle"
        )
        yield Finding(WARNING, "wakeups", fact, cure)
    else:
        yield Finding(OK, "wakeups", "hints of new jobs arrive")


def vacuum(facts: Facts) -> Judgement:
    """Whether dead rows are cleared away: each job leaves two or three."""
    fact = f"{facts.live:,} live and {facts.dead:,} dead rows in qml_jobs"
    if not facts.autovacuum or facts.autovacuum_off_here:
        where = "on this table" if facts.autovacuum else "on this server"
        cure = "turn autovacuum on: claims get slower with every job that was ever done"
        yield Finding(WARNING, "vacuum", f"autovacuum is off {where}; {fact}", cure)
    elif facts.dead > max(MANY_DEAD, facts.live):
        cure = "look for a transaction or replication slot that is old; else VACUUM qml_jobs"
        yield Finding(WARNING, "vacuum", fact, cure)
    else:
        yield Finding(OK, "vacuum", fact)


def transactions(facts: Facts) -> Judgement:
    """Whether a long transaction keeps dead rows at the head of the index that claims read."""
    age = facts.oldest_transaction
    if age is not None and age > OPEN_LONG:
        fact = f"a transaction is open for {age / 60:,.0f} minutes, and dead rows stay that long"
        cure = "find it (pg_stat_activity, by xact_start) and end it: claims get slower meanwhile"
        yield Finding(WARNING, "transactions", fact, cure)
