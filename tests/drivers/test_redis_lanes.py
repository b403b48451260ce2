"""Redis: what lanes, batches and pauses cost the server, counted in its own commands."""

import pytest

from qml.drivers.redis import RedisDriver
from qml.seam.rows import Available, Page
from qml.values.config import RedisConfig

from . import redis_indexes
from .making import NOW, claim, finish, ids, limited, member, paced, put, row, taken
from .redis_counting import Counted, client, server, warm

__all__ = ["client", "server"]  # fixtures


@pytest.fixture
def driver(server, client):
    driver = RedisDriver(RedisConfig(server.url))
    driver.install()
    warm(driver)
    yield driver
    redis_indexes.check(client, "qml")
    driver.close()


def cost(client, verb):
    with Counted(client) as counted:
        verb()
    return counted.all


def empty(driver):
    driver.erase([one.id for one in driver.scan(Page())], 99_999)


def test_what_one_key_keeps_back_costs_a_claim_nothing(driver, client):
    costs = []
    for number in (20, 4_000):
        put(driver, *(limited(f"k{n}", priority=9) for n in range(number)))
        assert taken(driver) == ["k0"]
        put(driver, *(row(f"plain {n}") for n in range(5)))
        costs.append([cost(client, lambda: driver.claim(claim(2))) for _ in range(3)])
        costs[-1].append(cost(client, lambda: finish(driver, "k0")))
        costs[-1].append(cost(client, lambda: taken(driver)))
        empty(driver)
    assert costs[0] == costs[1]
    assert max(costs[0]) < 100


def test_closed_lanes_cost_a_claim_nothing_and_a_finish_opens_its_own(driver, client):
    costs = []
    for number in (20, 1_000):
        put(driver, *(limited(f"{n} {turn}", f"k{n}") for turn in "ab" for n in range(number)))
        assert len(taken(driver, 2 * number)) == number
        put(driver, *(row(f"plain {n}", priority=-1) for n in range(5)))
        costs.append([cost(client, lambda: driver.claim(claim(2))) for _ in range(3)])
        costs[-1].append(cost(client, lambda: finish(driver, "7 a")))
        assert client.zcard("{qml}:open") == 1
        costs[-1].append(cost(client, lambda: driver.claim(claim(1))))
        assert client.zcard("{qml}:closed") == number - 1
        empty(driver)
    assert costs[0] == costs[1]
    assert max(costs[0]) < 100


def test_a_claim_looks_at_so_many_closed_lanes_and_no_more(driver, client):
    """Who asked hears to ask again at once; what is behind them is found then."""
    put(driver, *(limited(str(n), pace=f"p{n}", gap=1, priority=5) for n in range(2_100)))
    assert taken(driver, 1) == ["0"]
    put(driver, limited("behind", "j"), row("plain", priority=-1))
    assert driver.claim(claim(0)).next_due is None
    found, next_due = driver.claim(claim(5))
    assert (ids(found), next_due) == (["plain"], NOW)
    assert client.zcard("{qml}:closed") == 2_000
    assert taken(driver) == ["behind"]


def until_it_waits(driver):
    """What claims take until one is told to wait, and how many claims that were."""
    names, turns, next_due = [], 0, NOW
    while next_due == NOW:
        rows, next_due = driver.claim(claim(3))
        names, turns = names + ids(rows), turns + 1
    return names, turns


def test_a_permit_that_is_free_opens_lanes_behind_those_that_a_rate_keeps_back(driver, client):
    """So many lanes are opened by an end, and no more; the others by the claims that come."""
    put(driver, paced("one", "slow", gap=1_000))
    assert taken(driver) == ["one"]
    put(driver, limited("first", priority=9))
    assert taken(driver) == ["first"]
    put(driver, *(limited(f"{n}", pace="slow", gap=n + 10) for n in range(2_500)))
    put(driver, limited("behind", priority=-1))
    assert until_it_waits(driver)[0] == []
    assert client.zcard("{qml}:open") == 0
    finish(driver, "first")
    names, turns = until_it_waits(driver)
    assert names == ["behind"]
    assert turns <= 5
    assert client.exists("{qml}:freed") == 0


def test_a_permit_that_is_free_opens_lanes_behind_those_of_a_paused_queue(driver, client):
    put(driver, limited("first", priority=9))
    assert taken(driver) == ["first"]
    lanes = (limited(f"{n}", pace=f"p{n}", gap=1, queue="paused") for n in range(2_500))
    put(driver, *lanes, limited("behind", priority=-1))
    assert until_it_waits(driver)[0] == []
    driver.write("paused/paused", "{}", 0)
    finish(driver, "first")
    assert until_it_waits(driver)[0] == ["behind"]


def test_a_permit_that_somebody_has_again_opens_no_more_lanes(driver, client):
    put(driver, limited("first", priority=9))
    assert taken(driver) == ["first"]
    put(driver, *(limited(f"{n}", pace=f"p{n}", gap=1) for n in range(2_500)))
    assert until_it_waits(driver)[0] == []
    finish(driver, "first")
    names, turns = until_it_waits(driver)
    assert (names, client.exists("{qml}:freed")) == (["0"], 0)
    assert turns <= 3
    assert client.zcard("{qml}:shut") == 2_499


def test_a_pause_costs_what_there_are_queues_and_not_jobs(driver, client):
    costs = []
    driver.write("paused/full", "{}", 0)
    for number in (10, 3_000):
        put(driver, *(row(f"p{n}", queue="full", priority=9) for n in range(number)))
        put(driver, *(limited(f"l{n}", f"k{n}", queue="full", priority=9) for n in range(number)))
        put(driver, row("a", queue="x"), row("b", queue="y"), limited("c", queue="z"))
        costs.append(cost(client, lambda: driver.scan(Available(NOW, 3))))
        costs.append(cost(client, lambda: ids(driver.claim(claim(3)).rows)))
        assert [one.id for one in driver.load(["a", "b", "c"]) if one.worker] == ["a", "b", "c"]
        empty(driver)
    assert costs[:2] == costs[2:]


def test_paces_that_are_over_are_forgotten(driver, client):
    most = 0
    for number in range(200):
        put(driver, paced(str(number), f"pace {number}"))
        assert taken(driver, now=NOW + 100 * number) == [str(number)]
        most = max(most, client.hlen("{qml}:paces"))
    assert most <= 4


def test_the_progress_of_a_batch_costs_the_same_however_large_it_is(driver, client):
    costs = []
    for number in (20, 2_000):
        put(driver, *(member(str(n), batch="b") for n in range(number)), row("other"))
        finish(driver, "3", "4")
        progress = {"enqueued": number - 2, "succeeded": 2}
        assert driver.count(Page(batch="b"), "state") == progress
        costs.append(cost(client, lambda: driver.count(Page(batch="b"), "state")))
        newest = driver.scan(Page(batch="b", limit=2))
        assert ids(newest) == [str(number - 1), str(number - 2)]
        assert driver.scan(Page(batch="b", below=newest[1].seq, limit=1))[0].id == str(number - 3)
        empty(driver)
    assert costs[0] == costs[1]


def test_nothing_is_left_when_all_rows_are_gone(driver, client):
    put(driver, *(limited(name, batch="b", counts='["t"]') for name in "abc"), paced("p"))
    assert taken(driver) == ["a", "p"]
    driver.tally("t", False)
    finish(driver, "a")
    empty(driver)
    driver.claim(claim(now=NOW * 2))
    left = {name.removeprefix("{qml}:").partition(":")[0] for name in client.scan_iter()}
    assert left == {"schema", "seq", "call", "paces"}
