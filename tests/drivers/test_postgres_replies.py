"""A reply that is lost: the call is asked again, and done once."""

import threading
import time

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.drivers.postgres.session import Session
from qml.seam.rows import KEY_FREE, Finished, Obstacle, Overdue, Page, Record, Verdict, Write
from qml.values.errors import StorageUnavailable
from tests.servers import postgres_url
from tests.servers.proxy import Proxy

from . import postgres_store
from .making import (
    NOW,
    alike,
    claim,
    done,
    everything,
    ids,
    later,
    lock,
    move,
    put,
    renewal,
    rewrite,
    row,
)

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN
LONG = 20.0


@pytest.fixture
def proxy():
    with Proxy.to(postgres_url()) as proxy:
        yield proxy


@pytest.fixture
def make(tmp_path):
    """A driver of this test's store, through a URL or directly."""
    made = []

    def make(url=None, **settings):
        config = postgres_store.config(tmp_path, **settings)
        if url is not None:
            config = type(config)(url, schema_name=config.schema_name, **settings)
        made.append(PostgresDriver(config))
        made[-1].install()
        return made[-1]

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def calm(make):
    """The same store without the proxy."""
    return make()


@pytest.fixture
def driver(make, calm, proxy):
    return make(proxy.url_of(postgres_url()))


CUTS = pytest.mark.parametrize("cut", ["cut_before_request", "cut_after_request"])


@CUTS
@pytest.mark.parametrize("count", [1, 3])
def test_an_insert(driver, calm, proxy, cut, count):
    rows = [row(f"job {number}") for number in range(count)]
    getattr(proxy, cut)(b"INSERT")
    seqs, obstacles = driver.insert(rows)
    assert (proxy.cuts > 0, obstacles) == (True, [])
    assert everything(calm) == [r._replace(seq=seq) for r, seq in zip(rows, seqs, strict=True)]


@CUTS
def test_an_insert_of_rows_that_are_alike(driver, calm, proxy, cut):
    rows = alike(row("a"), "b", "c")
    getattr(proxy, cut)(b"INSERT")
    seqs, obstacles = driver.insert(rows)
    assert (proxy.cuts > 0, obstacles) == (True, [])
    assert everything(calm) == [r._replace(seq=seq) for r, seq in zip(rows, seqs, strict=True)]
    assert [obstacle.by for obstacle in driver.insert(rows).obstacles] == ["id"] * 3


@CUTS
def test_an_insert_that_is_refused(driver, calm, proxy, cut):
    put(calm, row("a", unique_key="k"))
    getattr(proxy, cut)(b"INSERT")
    assert driver.insert([row("b", unique_key="k")]).obstacles == [Obstacle(0, "key", "a")]
    getattr(proxy, cut)(b"INSERT")
    assert driver.insert([row("x"), row("a")]).obstacles == [Obstacle(1, "id", "a")]
    assert proxy.cuts >= 2
    assert ids(everything(calm)) == ["a"]


def test_an_insert_whose_rows_others_have_changed_since(driver, calm, proxy, meanwhile):
    rows = [row("a"), row("b"), row("c")]
    meanwhile(b"INSERT", lambda: (calm.claim(claim(1)), calm.erase(["b"], 1)))
    seqs, obstacles = driver.insert(rows)
    assert obstacles == []
    [a, _, c] = calm.load(["a", "b", "c"])
    assert (a.seq, c.seq) == (seqs[0], seqs[2])
    assert a.state == "processing"
    assert len(everything(calm)) == 2


def test_another_job_of_the_same_id_is_none_of_ours(driver, calm, proxy, meanwhile):
    before = proxy.cut_before_request
    meanwhile(b"INSERT", lambda: put(calm, row("a", payload="another")), cut=before)
    assert driver.insert([row("a")]).obstacles == [Obstacle(0, "id", "a")]
    assert calm.load(["a"])[0].payload == "another"


@CUTS
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("expected", [0, 1])
def test_an_insert_with_its_record(driver, calm, proxy, cut, count, expected):
    if expected:
        calm.write("r", "old", 0)
    rows = [row(f"job {number}") for number in range(count)]
    getattr(proxy, cut)(b"qml_records")
    seqs, obstacles = driver.insert(rows, Write("r", "new", expected))
    assert (proxy.cuts > 0, obstacles) == (True, [])
    assert everything(calm) == [r._replace(seq=seq) for r, seq in zip(rows, seqs, strict=True)]
    assert calm.read("r") == Record("r", expected + 1, "new")


@CUTS
def test_an_insert_with_a_record_that_is_refused(driver, calm, proxy, cut):
    put(calm, row("a"))
    calm.write("r", "old", 0)
    for rows, expected, obstacle in (
        ([row("x")], 0, Obstacle(-1, "record", "r")),
        ([], 3, Obstacle(-1, "record", "r")),
        ([row("x"), row("a")], 1, Obstacle(1, "id", "a")),
    ):
        getattr(proxy, cut)(b"qml_records")
        assert driver.insert(rows, Write("r", "new", expected)).obstacles == [obstacle]
    assert proxy.cuts >= 3
    assert ids(everything(calm)) == ["a"]
    assert calm.read("r") == Record("r", 1, "old")


def test_an_insert_with_a_record_that_others_have_gone_on_from(driver, calm, meanwhile):
    """The row carries another stamp then, and so does the record."""

    def go_on():
        calm.claim(claim(1))
        calm.write("r", "newer", 1)

    meanwhile(b"qml_records", go_on)
    seqs, obstacles = driver.insert([row("a")], Write("r", "new", 0))
    assert obstacles == []
    assert calm.load(["a"])[0].seq == seqs[0]


def test_the_same_rows_with_another_ones_record_are_none_of_ours(driver, calm, proxy, meanwhile):
    """Two who issue one slot make the same rows of it."""
    order = ([row("a")], Write("r", "new", 0))
    before = proxy.cut_before_request
    meanwhile(b"qml_records", lambda: calm.insert(*order), cut=before)
    assert driver.insert(*order).obstacles == [Obstacle(-1, "record", "r")]
    assert ids(everything(calm)) == ["a"]


@CUTS
@pytest.mark.parametrize("count", [1, 3])
def test_changes_with_rows_that_follow(driver, calm, proxy, cut, count):
    stored = put(calm, *(row(f"job {number}") for number in range(count)))
    put(calm, row("taken", payload="mine"))
    changes = [
        move(r, then=(row(f"after {r.id}"), row("taken"), row("both"))) for r in reversed(stored)
    ]
    getattr(proxy, cut)(b"INSERT")
    assert driver.swap(changes) == [DONE] * count
    assert proxy.cuts
    names = [r.id for r in stored]
    follow = [f"after {name}" for name in reversed(names)]
    follow.insert(1, "both")
    assert ids(everything(calm)) == [*names, "taken", *follow]
    assert calm.load(["taken"])[0].payload == "mine"
    assert driver.swap(changes) == [STALE] * count


def test_what_followed_and_was_erased_does_not_come_again(driver, calm, meanwhile):
    [a] = put(calm, row("a"))
    meanwhile(b"INSERT", lambda: calm.erase(["b"], 1))
    assert driver.swap([move(a, then=(row("b"),))]) == [DONE]
    assert ids(everything(calm)) == ["a"]


@CUTS
def test_a_batch_of_changes(driver, calm, proxy, cut):
    stored = put(calm, *(row(f"job {number}") for number in range(5)))
    [gone] = put(calm, row("gone"))
    calm.erase(["gone"], 1)
    stale = stored[1]._replace(version=7)
    getattr(proxy, cut)(b"UPDATE")
    changes = [move(r) for r in (stored[4], stale, gone, stored[0])]
    assert driver.swap(changes) == [DONE, STALE, GONE, DONE]
    assert proxy.cuts
    assert [r.version for r in everything(calm)] == [1, 0, 0, 0, 1]


@CUTS
@pytest.mark.parametrize("change", [move, rewrite])
def test_a_single_change(driver, calm, proxy, cut, change):
    [a] = put(calm, row("a"))
    getattr(proxy, cut)(b"UPDATE")
    assert driver.swap([change(a)]) == [DONE]
    assert driver.swap([change(a)]) == [STALE]
    assert calm.load(["a"])[0].version == 1
    assert proxy.cuts


@CUTS
def test_changes_whose_order_matters(driver, calm, proxy, cut):
    [a, b] = put(calm, row("a", unique_key="k"), row("b", unique_key="k", key_held=KEY_FREE))
    getattr(proxy, cut)(b"UPDATE")
    changes = [move(b, key_held=2), move(a), move(a), move(b, key_held=2)]
    assert driver.swap(changes) == [TAKEN, DONE, STALE, DONE]
    assert proxy.cuts


@CUTS
def test_a_change_made_twice_in_a_batch(driver, calm, proxy, cut):
    [a] = put(calm, row("a"))
    getattr(proxy, cut)(b"UPDATE")
    assert driver.swap([move(a), move(a._replace(version=1)), move(a)]) == [DONE, DONE, STALE]
    assert calm.load(["a"])[0].version == 2


@CUTS
@pytest.mark.parametrize("queues", [None, ("default", "q")])
def test_a_claim(driver, calm, proxy, cut, queues):
    put(calm, row("a"), row("b", priority=1), later("c", NOW), row("d"), later("e", NOW + 9))
    getattr(proxy, cut)(b"UPDATE")
    rows, next_due = driver.claim(claim(3, now=NOW, queues=queues))
    assert proxy.cuts
    assert (ids(rows), next_due) == (["b", "a", "c"], NOW + 9)
    assert calm.load(["b", "a", "c"]) == rows
    assert [r.fence for r in everything(calm)] == [1, 1, 1, 0, 0]


@CUTS
@pytest.mark.parametrize("queues", [None, ("default", "q")])
def test_a_claim_while_nothing_falls_due(driver, calm, proxy, cut, queues):
    """Then its first request takes what there is."""
    put(calm, row("a"), row("b", priority=1), row("c"), later("d", NOW + 9))
    getattr(proxy, cut)(b"UPDATE")
    rows, _ = driver.claim(claim(2, now=NOW, queues=queues))
    assert proxy.cuts
    assert ids(rows) == ["b", "a"]
    assert [r.fence for r in everything(calm)] == [1, 1, 0, 0]


@CUTS
def test_a_claim_of_nothing(driver, calm, proxy, cut):
    put(calm, later("a", NOW + 9))
    getattr(proxy, cut)(b"UPDATE")
    assert driver.claim(claim(3, now=NOW)) == ([], NOW + 9)


@CUTS
def test_leases_and_locks(driver, calm, proxy, cut):
    put(calm, row("a"), row("b"), row("c"))
    [a] = calm.claim(claim(1, now=NOW, lease=10)).rows
    calm.hold([lock("c", "w2", until=NOW + 99)])
    getattr(proxy, cut)(b"qml_hold")
    orders = [renewal(a, NOW + 50), lock("b", until=NOW + 9), lock("c"), lock("x")]
    assert driver.hold(orders) == [DONE, DONE, STALE, GONE]
    getattr(proxy, cut)(b"qml_hold")
    assert driver.hold([renewal(a, NOW + 50, notes="half")]) == [DONE]
    assert calm.load(["a"])[0].notes == "half"
    getattr(proxy, cut)(b"qml_hold")
    assert driver.hold([lock("a", "w3", now=NOW + 50, until=NOW + 60)]) == [DONE]
    assert calm.load(["a"])[0].fence == a.fence + 1
    assert proxy.cuts >= 3


@CUTS
def test_letting_go(driver, calm, proxy, cut):
    put(calm, row("a"), row("b"))
    calm.claim(claim(1, now=NOW))
    calm.hold([lock("b")])
    for name in ("a", "b"):
        getattr(proxy, cut)(b"UPDATE")
        assert driver.let_go(name, "w1", NOW + 1) is DONE
        assert driver.let_go(name, "w1", NOW + 2) is STALE
    assert proxy.cuts >= 2


@CUTS
def test_an_erasure(driver, calm, proxy, cut):
    put(calm, row("a"), row("b"), done("c"), done("d", purge_at=NOW))
    getattr(proxy, cut)(b"DELETE")
    assert driver.erase(["a", "a"], 10) == 1
    getattr(proxy, cut)(b"DELETE")
    assert driver.erase(Finished("succeeded", NOW), 10) == (1 if "before" in cut else 0)
    getattr(proxy, cut)(b"DELETE")
    assert driver.erase(Overdue(NOW), 10) == (1 if "before" in cut else 0)
    assert ids(everything(calm)) == ["b"]
    assert proxy.cuts >= 3


@CUTS
def test_records(driver, calm, proxy, cut):
    for body, expected in (("one", 0), ("two", 1), (None, 2)):
        getattr(proxy, cut)(b"qml_records")
        assert driver.write("r", body, expected) is DONE
        found = calm.read("r")
        assert found == (body and Record("r", expected + 1, body))
    for body, expected in (("one", 1), (None, 1)):
        getattr(proxy, cut)(b"qml_records")
        assert driver.write("r", body, expected) is (STALE if body else DONE)
    assert proxy.cuts >= 5


LOOKS = {
    "load": [["a"]],
    "holder": ["k"],
    "scan": [Page(states=("enqueued",))],
    "count": [Page(), "state"],
    "read": ["r"],
    "list": [""],
}


@CUTS
@pytest.mark.parametrize("verb", LOOKS)
def test_a_look(driver, calm, proxy, cut, verb):
    put(calm, row("a", unique_key="k"))
    calm.write("r", "{}", 0)
    getattr(proxy, cut)()
    assert getattr(driver, verb)(*LOOKS[verb]) == getattr(calm, verb)(*LOOKS[verb])
    assert proxy.cuts
    assert driver.time() > 0


@pytest.fixture
def meanwhile(proxy):
    """Have something done after a cut, before the driver is there again."""
    threads = []

    def arrange(containing, work, cut=proxy.cut_after_request):
        def watch():
            while not proxy.cuts:
                time.sleep(0.001)
            work()
            proxy.heal()

        cut(containing)
        threads.append(threading.Thread(target=watch))
        threads[-1].start()
        proxy.refuse()

    yield arrange
    for thread in threads:
        thread.join()


def test_a_write_waits_for_the_server_to_come_back(driver, calm, meanwhile):
    meanwhile(b"INSERT", lambda: time.sleep(0.4))
    assert driver.insert([row("a")]).obstacles == []
    assert len(everything(calm)) == 1


def test_a_server_that_does_not_come_back(make, calm, proxy):
    driver = make(proxy.url_of(postgres_url()), statement_timeout=1.0)
    driver.load(["a"])
    proxy.cut_after_request(b"INSERT")
    proxy.refuse()
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"may or may not.*safe to repeat"):
        driver.insert([row("a")])
    assert time.monotonic() - begun < 10
    proxy.heal()
    assert driver.insert([row("a")]).obstacles == [Obstacle(0, "id", "a")]


@pytest.mark.parametrize("verb", ["claim", "load"])
def test_what_need_not_be_known_is_given_up_at_once(driver, proxy, verb):
    driver.load(["a"])
    proxy.cut_after_request()
    proxy.refuse()
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable):
        driver.claim(claim()) if verb == "claim" else driver.load(["a"])
    assert time.monotonic() - begun < 10


def in_thread(work):
    got = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    return thread, got


def waiting_for_locks(count):
    """Wait until so many sessions wait for another's lock."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        [(found,)] = postgres_store.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        )
        if found == count:
            return
        time.sleep(0.005)
    raise AssertionError(f"{found} wait instead of {count}")


@pytest.fixture
def other():
    """A client in the middle of a transaction."""
    import psycopg2

    connection = psycopg2.connect(postgres_url())
    yield connection
    connection.close()


def test_a_change_that_is_still_under_way_when_it_is_asked_again(driver, calm, proxy, other):
    [a] = put(calm, row("a"))
    schema = postgres_store.quoted(driver._config.schema_name)
    other.cursor().execute(f"SELECT FROM {schema}.qml_jobs FOR UPDATE")
    thread, got = in_thread(lambda: driver.swap([move(a)]))
    waiting_for_locks(1)
    proxy.cut()
    waiting_for_locks(2)
    other.rollback()
    thread.join()
    assert got == [[DONE]]
    assert calm.load(["a"])[0].version == 1


@pytest.mark.parametrize("count", [1, 2])
def test_an_insert_that_is_still_under_way_when_it_is_asked_again(
    driver, calm, proxy, other, count
):
    schema = postgres_store.quoted(driver._config.schema_name)
    put(calm, row("x", unique_key="k"))
    other.cursor().execute(
        f"UPDATE {schema}.qml_jobs SET key_held = 1; DELETE FROM {schema}.qml_jobs"
    )
    rows = [row("a"), row("b", unique_key="l")][:count]
    other.cursor().execute(
        f"INSERT INTO {schema}.qml_jobs (id, version, state, queue, priority, method, attempt, "
        "fence, max_attempts, ahead, created_at, key_held, unique_while, detail, failures, "
        "metadata, payload, notes, ready, stamp) "
        "VALUES ('a', 0, 's', 'q', 0, 'm', 0, 0, 1, 0, 0, 0, '', '', '', '', '', '', false, 0)"
    )
    thread, got = in_thread(lambda: driver.insert(rows))
    waiting_for_locks(1)
    proxy.cut()
    waiting_for_locks(2)
    other.rollback()
    thread.join()
    [(seqs, obstacles)] = got
    assert obstacles == []
    assert [r.seq for r in calm.load([r.id for r in rows])] == seqs


def test_every_verb_is_one_round_trip(calm, monkeypatch):
    """But a claim that finds that something has fallen due, or that something keeps rows back."""
    trips = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda *given: trips.append(1) or run(*given))

    def in_one(verb, *arguments):
        trips.clear()
        answer = getattr(calm, verb)(*arguments)
        assert (verb, len(trips)) == (verb, 1)
        return answer

    in_one("insert", [row("a")])
    in_one("insert", [row(f"job {number}", unique_key=f"{number}") for number in range(300)])
    in_one("insert", alike(row("alike"), *(f"alike {number}" for number in range(300))))
    in_one("insert", [later("later", NOW)])
    in_one("insert", [row("with a record"), row("another")], Write("s", "{}", 0))
    in_one("insert", [], Write("s", "{}", 1))
    in_one("insert", [row("z")], Write("s", "{}", 1))
    rows = in_one("claim", claim(200, now=NOW - 1, ahead=50)).rows
    in_one("hold", [renewal(r, NOW + 9, notes="half") for r in rows])
    followed = [move(r, then=(row(f"{r.id} then"),)) for r in rows[:100]]
    in_one("swap", followed)
    in_one("swap", [move(r) for r in rows[100:]])
    in_one("swap", [rewrite(r, version=3) for r in calm.load(ids(rows))])
    in_one("claim", claim(5, now=NOW - 1, queues=("default", "other")))
    for verb, arguments in LOOKS.items():
        in_one(verb, *arguments)
    in_one("write", "r", "{}", 0)
    in_one("erase", ids(rows), 500)
    in_one("time")
    in_one("notify")
