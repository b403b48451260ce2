"""Redis: replies that get lost on their way, and a server that goes and comes. Nothing doubles."""

import time
from types import SimpleNamespace

import pytest

from qml.drivers.redis import RedisDriver, connections
from qml.seam.rows import Finished, Overdue, Page, Verdict, Write
from qml.seam.tallies import Parents
from qml.values.config import RedisConfig
from qml.values.errors import StorageUnavailable
from tests.servers import Proxy, ValkeyServer, redis_url

from . import redis_indexes, redis_store
from .making import (
    NOW,
    claim,
    done,
    everything,
    ids,
    later,
    limited,
    lock,
    member,
    move,
    put,
    renewal,
    rewrite,
    row,
    waiter,
)

DONE = Verdict.DONE


class Line:
    """A driver behind a proxy, another that goes straight to the server, and the keys."""

    def __init__(self, folder, proxy, **settings):
        straight = redis_store.config(folder)
        self.prefix, self.proxy = straight.key_prefix, proxy
        led = RedisConfig(proxy.url_of(redis_url()), key_prefix=self.prefix, **settings)
        self.driver, self.other = RedisDriver(led), RedisDriver(straight)
        self.driver.install()
        self.client = redis_store.raw_client()

    def calls(self):
        """How many scripts the server ran."""
        stats = self.client.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))

    def close(self):
        redis_indexes.check(self.client, self.prefix)
        for one in (self.driver, self.other, self.client):
            one.close()


@pytest.fixture
def proxy():
    with Proxy.to(redis_url()) as proxy:
        yield proxy


@pytest.fixture
def line(tmp_path, proxy):
    line = Line(tmp_path, proxy, connect_timeout=2.0)
    yield line
    line.close()


def busy(line):
    """Rows of all kinds, two of them claimed."""
    put(line.driver, *(member(name, unique_key=f"key of {name}") for name in "abcd"))
    put(line.driver, waiter("waits"), limited("l"), limited("m"), limited("n", pace="p", gap=9))
    put(line.driver, later("late", NOW - 1), done("old", NOW - 9), done("over", purge_at=NOW))
    line.driver.erase(Finished("deleted", NOW), 1)  # checks the indexes, for a while
    return line.driver.claim(claim(2, worker="w1")).rows


AFTER = waiter("after", "job/after", needs_all=1)

CALLS = {
    "insert": lambda driver, held: driver.insert([row("new"), row("newer", unique_key="n")]),
    "insert in vain": lambda driver, held: driver.insert([row("a"), row("x", unique_key="k")]),
    "move": lambda driver, held: driver.swap([move(one) for one in held]),
    "rewrite": lambda driver, held: driver.swap([rewrite(held[0], payload="new")]),
    "one of two": lambda driver, held: driver.swap([move(held[0]), move(held[1], version=9)]),
    "claim": lambda driver, held: driver.claim(claim(2, worker="w2")),
    "renewal": lambda driver, held: driver.hold([renewal(one, NOW + 99) for one in held]),
    "lock": lambda driver, held: driver.hold([lock("c", "w3"), lock("a", "w3", now=0)]),
    "let go": lambda driver, held: driver.let_go("a", "w1", NOW),
    "erase": lambda driver, held: driver.erase(["a", "nobody", "c"], 9),
    "purge": lambda driver, held: driver.erase(Finished("succeeded", NOW), 9),
    "purge of the overdue": lambda driver, held: driver.erase(Overdue(NOW), 9),
    "then": lambda driver, held: driver.swap([move(held[0], then=(row("n"), row("b"), row("m")))]),
    "notes": lambda driver, held: driver.hold([renewal(held[0], NOW + 99, notes="half")]),
    "with record": lambda driver, held: driver.insert([row("new")], Write("r", "{}", 0)),
    "record alone": lambda driver, held: driver.insert([], Write("r", "{}", 0)),
    "stale record": lambda driver, held: driver.insert([row("new")], Write("r", "{}", 9)),
    "write": lambda driver, held: driver.write("r", "{}", 0),
    "claim in lanes": lambda driver, held: driver.claim(claim(9, worker="w2")),
    "wait": lambda driver, held: driver.insert([AFTER], None, [Parents(0, ("a", "c", "nobody"))]),
    "tally": lambda driver, held: driver.tally("t", False),
    "new tally": lambda driver, held: driver.tally("u", True),
}


def outcome(line, answer):
    tallies = [line.other.tally(name) for name in ("t", "u", "job/after")]
    used = line.other.used(NOW, ["k"], ["p"])
    return answer, everything(line.other), line.other.list(""), tallies, used


@pytest.fixture
def twin(tmp_path, proxy):
    """Another store, where nothing goes wrong."""
    line = Line(tmp_path / "twin", proxy)
    yield line
    line.close()


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_whose_connection_is_cut_is_carried_out_once(line, twin, verb, when):
    held, twin_held = busy(line), busy(twin)
    expected = outcome(twin, CALLS[verb](twin.driver, twin_held))
    before = line.calls()
    getattr(line.proxy, f"cut_{when}_request")(containing=b"EVALSHA")
    answer = CALLS[verb](line.driver, held)
    assert line.calls() - before == (2 if when == "after" else 1)
    assert line.proxy.cuts == 1
    assert outcome(line, answer) == expected


@pytest.mark.parametrize("verb", CALLS)
def test_the_answer_is_the_first_ones_whatever_others_did_meanwhile(line, twin, verb, monkeypatch):
    """Between the call and its repetition all rows are claimed, finished and erased."""
    held, twin_held = busy(line), busy(twin)
    answer = CALLS[verb](twin.driver, twin_held)

    def meanwhile(pause):
        while line.proxy.cuts == 0:
            time.sleep(0.001)
        taken = line.other.claim(claim(99, worker="other")).rows
        line.other.swap([move(one) for one in taken])
        line.other.erase([one.id for one in everything(line.other)], 99)
        record = line.other.read("r")
        line.other.write("r", None, record.version if record else 0)

    monkeypatch.setattr(
        connections, "time", SimpleNamespace(monotonic=time.monotonic, sleep=meanwhile)
    )
    line.proxy.cut_after_request(containing=b"EVALSHA")
    repeated = CALLS[verb](line.driver, held)
    monkeypatch.undo()
    if verb == "insert in vain":  # it changed nothing, so it is made anew
        assert (len(repeated.seqs), repeated.obstacles) == (2, [])
    elif verb.startswith("claim"):  # what it took was erased
        assert repeated == ([], None)
    else:
        assert repeated == answer
        assert everything(line.other) == []


def test_a_claim_repeated_gives_what_it_took_and_nobody_has_touched(line, monkeypatch):
    line.other.claim(claim())  # the server knows the script, so the first request carries it out
    put(line.driver, row("a"), row("b"), row("c"), row("d"))

    def meanwhile(pause):
        assert line.other.hold([lock("b", "w9", now=NOW * 2, until=NOW * 3)]) == [DONE]
        line.other.erase(["c"], 1)

    monkeypatch.setattr(
        connections, "time", SimpleNamespace(monotonic=time.monotonic, sleep=meanwhile)
    )
    line.proxy.cut_after_request(containing=b"EVALSHA")
    taken = line.driver.claim(claim(3, worker="w1"))
    assert ids(taken.rows) == ["a"]
    assert taken.rows == line.other.load(["a"])
    assert ids(line.driver.claim(claim(3, worker="w1")).rows) == ["d"]


def test_a_read_is_made_again(line):
    put(line.driver, row("a", unique_key="k"))
    looks = [
        (b"EVALSHA", lambda: ids(line.driver.load(["a"])) == ["a"]),
        (b"EVALSHA", lambda: ids(line.driver.scan(Page())) == ["a"]),
        (b"HGETALL", lambda: line.driver.count(Page(), "state") == {"enqueued": 1}),
        (b"HGET", lambda: line.driver.holder("k") == "a"),
        (b"TIME", lambda: line.driver.time() > 0),
    ]
    for request, look in looks:
        for cut in (line.proxy.cut_before_request, line.proxy.cut_after_request):
            cut(containing=request)
            assert look()
    assert line.proxy.cuts == 10


def test_connections_cut_while_idle_are_noticed_before_anything_is_sent(line):
    put(line.driver, row("a"))
    for _ in range(3):
        line.proxy.cut()
        time.sleep(0.02)  # until the end of the line has arrived
        before = line.calls()
        assert ids(line.driver.load(["a"])) == ["a"]
        assert line.calls() - before == 1


def test_a_lost_reply_of_a_server_that_stays_away(line):
    """The caller hears that it may have been carried out, after a bounded time."""
    put(line.driver, row("a"))
    line.driver.erase(["nobody"], 1)  # the server knows the script
    line.proxy.cut_after_request(containing=b"EVALSHA")
    line.proxy.refuse()
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match="may or may not have been carried out"):
        line.driver.erase(["a"], 1)
    assert 1.5 < time.monotonic() - begun < 10
    assert everything(line.other) == []


def test_a_server_that_is_away_from_the_start(line):
    pool = line.driver._connections._pool
    while pool._idle:
        pool.drop(pool.take())
    line.proxy.refuse()
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match="nothing was changed"):
        line.driver.erase(["a"], 1)
    assert time.monotonic() - begun < 1.9  # it is not patient first
    line.proxy.heal()
    put(line.driver, row("a"))


def test_a_server_that_accepts_and_says_nothing(tmp_path, proxy):
    line = Line(tmp_path, proxy, answer_timeout=0.3, connect_timeout=0.3)
    put(line.driver, row("a"))
    line.proxy.silence()
    for _ in range(2):  # on the connection that is there, and on a new one
        begun = time.monotonic()
        with pytest.raises(StorageUnavailable, match="does not answer"):
            line.driver.erase(["a"], 1)
        assert time.monotonic() - begun < 3
    line.proxy.heal()
    assert line.driver.erase(["a"], 1) == 1
    line.close()


def test_a_call_that_arrives_late_is_not_carried_out_again(line, monkeypatch):
    """We gave it up and made it again, and then the network delivers the first one."""
    put(line.driver, row("a"), row("b"))
    sent, once = [], line.driver._connections._once
    monkeypatch.setattr(
        line.driver._connections,
        "_once",
        lambda *command: sent.append(command) or once(*command),
    )
    assert ids(line.driver.claim(claim(1)).rows) == ["a"]
    once(*sent[-1])
    assert ids(line.driver.claim(claim(1)).rows) == ["b"]
    line.driver.erase(["a"], 1)
    put(line.other, row("a"))
    once(*sent[-1])
    assert ids(everything(line.other)) == ["b", "a"]


def test_a_lane_whose_call_failed_is_not_used_again(tmp_path, proxy):
    line = Line(tmp_path, proxy, answer_timeout=0.2, connect_timeout=0.2)
    put(line.driver, row("a"))
    lanes = [*line.driver._connections._lanes]
    line.proxy.silence()
    with pytest.raises(StorageUnavailable):
        line.driver.erase(["a"], 1)
    line.proxy.heal()
    put(line.driver, row("b"))
    assert not {*lanes} & {*line.driver._connections._lanes}
    line.close()


def test_scripts_that_the_server_forgot_are_sent_again(line):
    put(line.driver, row("a"))
    line.client.script_flush()
    assert line.driver.load(["a"]) != [None]
    line.client.script_flush()
    put(line.driver, row("b"))
    line.client.script_flush()
    line.proxy.cut_after_request(containing=b"EVAL\r\n")
    put(line.driver, row("c"))
    assert line.proxy.cuts == 1
    assert ids(everything(line.driver)) == ["a", "b", "c"]


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_server_that_comes_again_has_all_that_was_acknowledged(how):
    with ValkeyServer(durable=True) as server:
        driver = RedisDriver(RedisConfig(server.url))
        driver.install()
        put(driver, *(row(str(number)) for number in range(50)))
        [taken] = driver.claim(claim(1)).rows
        if how == "kill":
            server.kill()
            with pytest.raises(StorageUnavailable, match="nothing was changed"):
                driver.swap([move(taken)])
            server.start()
        else:
            server.restart()
        assert driver.swap([move(taken)]) == [DONE]
        assert driver.count(Page(), "state") == {"enqueued": 49, "succeeded": 1}
        assert driver.examine()
        driver.close()
