"""What jobs cost, by counting: calls of Python, bytes of memory, statements and pages of SQLite,
round trips and bytes to servers.

A guard against growth: no clock is asked. Each bound is a little above what stands now; where a
change has to cost more, raise it and say why.
"""

import gc
import sys
import tracemalloc
from collections import Counter
from contextlib import closing

import attrs
import pytest

from qml import Job, Qml, Succeeded
from tests.drivers import postgres_store, redis_store
from tests.servers import Meter
from tests.work.support import peak_of

PAYLOAD = "x" * 200
MANY = 100
PAGE = 4_096 + 24
"""A page of SQLite's log."""


def called(work):
    """The functions that Python calls, its own (as "") and those of C."""
    found = Counter()

    def count(frame, event, what):
        if event in ("call", "c_call"):
            found[what.__name__ if event == "c_call" else ""] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def calls(work):
    """How many these are."""
    return called(work).total()


def statements(work):
    """How many texts a driver is given."""
    found = called(work)
    return found["execute"] + found["executemany"]


class Bench:
    """An app that has run some jobs, so that connections and statements are there."""

    def __init__(self, target):
        self.app = Qml(target)
        self.task = self.app.task(name="nothing")(lambda text: 1)
        self.storage = self.app.storage
        self.server = self.app.server(threads=MANY)
        for _ in range(2):
            self.task.enqueue(PAYLOAD)
            self.fill()
            self.server.step()
        for job in self.storage.enqueue_many(mixed("warm")):
            self.storage.delete(job.id)

    def fill(self):
        self.task.enqueue_many([(PAYLOAD,)] * MANY)

    def claim(self):
        return self.storage.fetch_available_jobs_atomic("w", MANY)

    def close(self):
        self.app.close()


@pytest.fixture
def memory():
    with closing(Bench("memory://")) as bench:
        yield bench


@pytest.fixture
def sqlite(tmp_path):
    with closing(Bench(f"sqlite:///{tmp_path / 'jobs.db'}")) as bench:
        bench.log = tmp_path / "jobs.db-wal"
        yield bench


@pytest.fixture(params=["postgres", "redis"])
def server(request, tmp_path):
    """With a meter before its store's server."""
    stores = {"postgres": postgres_store, "redis": redis_store}
    config = stores[request.param].config(tmp_path)
    field = "database_url" if request.param == "postgres" else "url"
    url = getattr(config, field)
    with Meter.to(url) as meter:
        config = attrs.evolve(config, **{field: meter.url_of(url)})
        with closing(Bench(config)) as bench:
            bench.name, bench.meter = request.param, meter
            yield bench


def within(figure, bound):
    """A figure that is above its bound, or so far below that the bound guards nothing."""
    assert bound * 0.7 <= figure <= bound, f"{figure:g} where up to {bound:g} was expected"


def ends(held):
    return [(job, Succeeded(result=1)) for job in held]


# -- calls of Python -----------------------------------------------------------------------------


def test_calls_for_an_enqueue(memory, sqlite):
    """The bounds leave room for the random ends of ids, which one of 64 draws."""
    within(calls(lambda: memory.task.enqueue(PAYLOAD)), 125)
    within(calls(lambda: sqlite.task.enqueue(PAYLOAD)), 110)


def test_calls_for_an_enqueue_on_a_server(server):
    bound = {"postgres": 150, "redis": 180}[server.name]  # of psycopg2 and redis-py, too
    within(calls(lambda: server.task.enqueue(PAYLOAD)), bound)


def test_calls_for_each_of_many_enqueued(memory, sqlite):
    within(calls(memory.fill) / MANY, 55)
    within(calls(sqlite.fill) / MANY, 30)


def test_calls_for_each_of_many_enqueued_on_a_server(server):
    within(calls(server.fill) / MANY, {"postgres": 32, "redis": 34}[server.name])


@pytest.mark.parametrize(("kind", "claim", "finish"), [("memory", 46, 80), ("sqlite", 12, 50)])
def test_calls_for_each_claim_and_finish(request, kind, claim, finish):
    bench, held = request.getfixturevalue(kind), []
    bench.fill()
    within(calls(lambda: held.extend(bench.claim())) / MANY, claim)
    given = ends(held)
    within(calls(lambda: bench.storage.finish_many(given)) / MANY, finish)


def claim_of_one(bench):
    """As a server makes it that has nothing else to do."""
    while bench.server.step():
        pass
    bench.task.enqueue(PAYLOAD)
    runs = []
    found = calls(lambda: runs.extend(bench.server.claimer.take(8, 0)[1]))
    assert len(runs) == 1
    return found


def test_calls_for_a_claim_of_one(sqlite):
    within(claim_of_one(sqlite), 130)


def test_calls_for_a_claim_of_one_on_a_server(server):
    assert claim_of_one(server) <= {"postgres": 205, "redis": 200}[server.name]  # hiredis: less


def test_calls_for_a_run(memory):
    memory.task.enqueue(PAYLOAD)
    _, [run] = memory.server.claimer.take(1, 0)
    within(calls(lambda: memory.server.execute(run)), 33)


@pytest.mark.parametrize(("kind", "bound"), [("memory", 178), ("sqlite", 120)])
def test_calls_for_each_job_that_a_server_runs(request, kind, bound):
    bench = request.getfixturevalue(kind)
    bench.fill()
    within(calls(bench.server.step) / MANY, bound)


# -- memory --------------------------------------------------------------------------------------


def allocated(bench):
    """Bytes for one job: enqueued by itself, one of many, claimed, finished, run by a server."""
    held = []
    one = peak_of(lambda: bench.task.enqueue(PAYLOAD))
    many = peak_of(bench.fill)
    claim = peak_of(lambda: held.extend(bench.claim()))
    finish = peak_of(lambda: bench.storage.finish_many(ends(held)))
    bench.fill()
    return one, *(size / MANY for size in (many, claim, finish, peak_of(bench.server.step)))


def test_bytes_allocated_for_each_job(sqlite):
    found = [allocated(sqlite) for _ in range(3)]  # what else the process does adds to some
    bounds = (7_000, 3_500, 3_000, 3_000, 5_700)
    for size, bound in zip(map(min, zip(*found, strict=True)), bounds, strict=True):
        within(size, bound)


def test_nothing_stays_of_jobs_that_ran(sqlite):
    def run():
        sqlite.fill()
        sqlite.server.step()
        gc.collect()

    run()
    tracemalloc.start()
    try:
        run()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            run()
        assert tracemalloc.get_traced_memory()[0] - before < 5 * MANY * 100
    finally:
        tracemalloc.stop()


# -- what SQLite does and writes -----------------------------------------------------------------


def test_statements_that_sqlite_runs(sqlite):
    held = []
    found = {"enqueue": statements(lambda: sqlite.task.enqueue(PAYLOAD))}
    found["many"] = statements(sqlite.fill)
    found["claim"] = statements(lambda: held.extend(sqlite.claim()))
    found["finish"] = statements(lambda: sqlite.storage.finish_many(ends(held)))
    sqlite.claim()
    found["in vain"] = statements(sqlite.claim)
    assert found == {"enqueue": 4, "many": 6, "claim": 8, "finish": 4, "in vain": 2}


def test_pages_that_sqlite_writes(sqlite):
    def pages(work):
        before = sqlite.log.stat().st_size
        work()
        return (sqlite.log.stat().st_size - before) / PAGE

    held = []
    within(pages(lambda: sqlite.task.enqueue(PAYLOAD)), 7)
    within(pages(sqlite.fill), 27)
    within(pages(lambda: held.extend(sqlite.claim())), 17)
    within(pages(lambda: sqlite.storage.finish_many(ends(held))), 18)
    assert pages(sqlite.claim) > 0  # the one that is left
    assert pages(sqlite.claim) == 0  # in vain
    assert pages(sqlite.storage.get_job_counts) == 0


def mixed(key):
    """Jobs of two methods, one of them with a key."""
    return [Job("nothing", [PAYLOAD]), Job("other", [PAYLOAD], unique_key=key)]


# -- what goes to servers and back -----------------------------------------------------------------

ASKED = {
    "postgres": {"enqueue": 1, "many": 1, "mixed": 1, "claim": 1, "finish": 2, "in vain": 1},
    "redis": {"enqueue": 1, "many": 1, "mixed": 1, "claim": 1, "finish": 1, "in vain": 1},
}
"""Round trips. A second one is the hint to those who wait."""

BYTES = {
    "postgres": {"enqueue": 1_000, "many": 350, "claim": 600, "finish": 215, "in vain": 1_700},
    "redis": {"enqueue": 830, "many": 280, "claim": 600, "finish": 240, "in vain": 300},
}
"""Both ways: of an enqueue, of a claim in vain, and per job of an enqueue, a claim and a finish of
many."""


def test_trips_and_bytes(server):
    held = []
    found = {"enqueue": server.meter.of(lambda: server.task.enqueue(PAYLOAD))}
    found["many"] = server.meter.of(server.fill)
    found["claim"] = server.meter.of(lambda: held.extend(server.claim()))
    found["mixed"] = server.meter.of(lambda: server.storage.enqueue_many(mixed("key")))
    found["finish"] = server.meter.of(lambda: server.storage.finish_many(ends(held)))
    server.claim()
    found["in vain"] = server.meter.of(server.claim)
    assert {what: traffic.asked for what, traffic in found.items()} == ASKED[server.name]
    for what, bound in BYTES[server.name].items():
        traffic = found[what]
        share = MANY if what in ("many", "claim", "finish") else 1
        within((traffic.sent + traffic.got) / share, bound)
