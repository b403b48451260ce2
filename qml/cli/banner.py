"""What ``qml run`` says at its beginning: the app, and what it is about to run on."""

import importlib.util
import platform
from collections.abc import Iterable, Iterator

from .._version import __version__
from ..storage.engines import MemoryStorage
from ..storage.storage import Storage
from ..values.errors import StorageError
from ..values.texts import plain
from ..work.app import Qml
from ..work.server import Server

EXTRAS = {
    "cli": "rich",
    "flask": "flask",
    "metrics": "prometheus_client",
    "otel": "opentelemetry",
    "postgres": "psycopg2",
    "redis": "redis",
    "sqlite": "pysqlite3",
    "testing": "hypothesis",
}
"""What can be installed beside qml, and the library by which that is seen."""


def banner(name: str, app: Qml, server: Server) -> list[str]:
    """What is about to run, in lines. The store's password is not among it."""
    lines = [f"qml {__version__}"]
    for fact, values in _facts(name, app, server):
        lines += [f"  {'' if n else fact:<9}{plain(value)}" for n, value in enumerate(values)]
    return [*lines, ""]


def _facts(name: str, app: Qml, server: Server) -> Iterator[tuple[str, Iterable[str]]]:
    storage = server.storage.driver.describe()
    if isinstance(server.storage, MemoryStorage):
        storage += ": nothing that is enqueued in another process arrives here"
    spans = f"lease {server.lease_seconds:g} s, grace {server.grace_seconds:g} s"
    yield "app", [name]
    yield "storage", [storage]
    yield "versions", [", ".join(versions(server.storage))]
    yield "extras", [", ".join(extras()) or "none"]
    yield "tasks", sorted(app.tasks) or ["none; is the module that defines them imported?"]
    if app.declared:
        yield "repeats", [f"{one.name}, {one.rule}" for _, one in sorted(app.declared.items())]
    yield "queues", [str(server.division)]
    yield "threads", [f"{server.threads}, {spans}"]
    if str(server.retirement):
        yield "limits", [f"begins again {server.retirement}"]


def versions(storage: Storage) -> list[str]:
    """Of Python, of the library that reaches the store, and of the store's server."""
    known = [f"{platform.python_implementation()} {platform.python_version()}"]
    told = getattr(storage.driver, "versions", None)
    try:
        return [*known, *(told() if told is not None else ())]
    except StorageError:  # it may not be asked, or is just gone; neither is in the way of a start
        return known


def extras() -> list[str]:
    """Those of qml's extras whose library is installed; none is imported."""
    return [name for name, library in EXTRAS.items() if importlib.util.find_spec(library)]
