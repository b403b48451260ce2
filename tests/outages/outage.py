"""An outage: the store's server is killed while three qml servers run, and starts again later.

By hand, as long as one likes, with the log as an operator sees it::

    QML_OUTAGE_SECONDS=60 python -m tests.outages.outage postgres
"""

import contextlib
import itertools
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from qml import Job, StorageUnavailable
from qml.work.server import Server
from tests.work.support import eventually

from .stores import SECRET, Store, new_server
from .tasks import SOON, Log, Site

SECONDS = float(os.environ.get("QML_OUTAGE_SECONDS", "6"))

LEASE = min(30.0, SECONDS / 3)
"""Shorter than the outage, as the usual 30 seconds are shorter than an outage of a minute."""

GRACE = 0.5

SERVERS = 3

STOPPED = 0
"""The number of the server that is stopped while the store is away."""

LEFT = "left behind"
"""What it runs then; a rescue, much later, gives that to others."""

UNDER_WAY = ("ends during", "goes on", "ends after")


@attrs.define
class Told:
    """What is known of an outage when it is over."""

    store: Store
    acknowledged: list[Job] = attrs.field(factory=list)
    runs: dict[Any, int] = attrs.field(factory=dict)
    states: dict[str, Any] = attrs.field(factory=dict)  # of the acknowledged jobs, by id
    attempts: dict[Any, int] = attrs.field(factory=dict)
    left: list[Job] = attrs.field(factory=list)  # not ended, when all those have
    stop_took: float = 0.0
    stopped: bool = False  # whether none of its threads was left
    until_first_finish: float = 0.0
    log: list[Any] = attrs.field(factory=list)  # the records of the outage


def suffered(kind: str) -> Told:
    """Live through one."""
    with new_server(kind, password=SECRET) as server, contextlib.ExitStack() as stack:
        told = Told(Store(kind, server.url))
        client = Site(stack.enter_context(told.store.open(retry=SOON)))
        sites = [
            Site(stack.enter_context(told.store.open(retry=SOON)), client) for _ in range(SERVERS)
        ]
        running = [_server(site, number, kind) for number, site in enumerate(sites)]
        for each in running:
            stack.callback(each.stop, 0)
        stack.callback(client.open_gates)
        _begin(told, client, running)
        with Log() as log:
            with _enqueueing(told, client):
                up = _suffer(server, told, client, running[STOPPED])
                told.until_first_finish = _first_finish(client, up) - up
            client.open_gates()
            ends = {job.id: client.storage.wait(job.id, 60) for job in told.acknowledged}
        told.log = [record for record in log.records if _is_of(record, told.store)]
        told.states = {job_id: job.state for job_id, job in ends.items()}
        told.runs, told.attempts = dict(client.runs), client.attempts()
        told.left = client.storage.list(["processing", "enqueued", "awaiting_retry"])
    return told


def _server(site: Site, number: int, kind: str) -> Server:
    """The one that is stopped in between has a single thread, and so a single job."""
    threads = 1 if number == STOPPED else 4
    name = f"{kind}-{number}"
    return site.app.server(threads, lease_seconds=LEASE, grace_seconds=GRACE, name=name)


def _begin(told: Told, client: Site, running: list[Server]) -> None:
    """Jobs that ended before, that go on through the outage, end in it, fall due in it."""
    for names, servers in (((LEFT,), running[:1]), (UNDER_WAY, running[1:])):
        jobs = [client.hold(name) for name in names]
        told.acknowledged += [job for job in jobs if job.arguments != [LEFT]]
        for server in servers:
            server.start()
        for name in names:
            client.gates[name].someone_waits()
    before = [client.note.enqueue(f"before {n}") for n in range(20)]
    assert len(client.done(*before)) == 20
    due = client.note.using(run_after=SECONDS / 2)
    told.acknowledged += [*before, *(due.enqueue(f"due {n}") for n in range(5))]


def _suffer(server: Any, told: Told, client: Site, stopped: Server) -> float:
    """The outage itself; when it was over, by the clock on the wall."""
    server.kill()
    down = time.monotonic()
    stopped.stop()
    told.stop_took = time.monotonic() - down
    told.stopped = not any(thread.is_alive() for thread in stopped._started)
    client.gates[LEFT].open()
    client.gates["ends during"].open()
    time.sleep(max(0.0, down + SECONDS - time.monotonic()))
    server.start()
    return time.time()


@contextlib.contextmanager
def _enqueueing(told: Told, client: Site) -> Iterator[None]:
    """A program goes on enqueueing, and insists."""
    over = threading.Event()

    def work() -> None:
        for number in itertools.count():
            told.acknowledged.append(client.insist(f"now {number}"))
            if over.wait(0.02):
                return

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: client.runs["now 10"])
    try:
        yield
    finally:
        over.set()
        thread.join()


def _first_finish(client: Site, since: float) -> float:
    """The first moment from ``since`` on at which a server recorded an outcome."""

    def found() -> list[float]:
        with contextlib.suppress(StorageUnavailable):
            ended = (job.state.succeeded_at for job in client.storage.list("succeeded"))
            return [at.timestamp() for at in ended if at.timestamp() > since]
        return []

    return min(eventually(found, every=0.05))


def _is_of(record: Any, store: Store) -> bool:
    return record.threadName.startswith(f"{store.kind}-") or store.url.split("@")[1] in (
        record.getMessage()
    )


def main() -> None:
    """Print what an operator reads, and what is known afterwards."""
    told = suffered(sys.argv[1])
    for record in told.log:
        print(f"{record.levelname:7} {record.getMessage()}")
    print(Counter(state.kind.value for state in told.states.values()))
    print("run more than once:", {n: count for n, count in told.runs.items() if count > 1})
    print("claimed more than once:", {n: count for n, count in told.attempts.items() if count > 1})
    print(f"{len(told.acknowledged)} jobs acknowledged, {len(told.log)} lines logged")
    print(f"stop took {told.stop_took:.1f} s with {GRACE:g} s of grace")
    print(f"from the start to the first finish: {told.until_first_finish:.1f} s")


if __name__ == "__main__":
    main()
