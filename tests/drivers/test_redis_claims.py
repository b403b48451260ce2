"""Redis: what a claim costs the server, counted in its own commands, and claims of many at once."""

import pytest

from qml.drivers.redis import RedisDriver
from qml.seam.rows import Finished, Page
from qml.values.config import RedisConfig

from .making import NOW, claim, done, ids, later, move, put, renewal, row
from .redis_counting import Counted, client, server, warm
from .test_life import in_threads

__all__ = ["client", "server"]  # fixtures


@pytest.fixture
def driver(server, client):
    driver = RedisDriver(RedisConfig(server.url))
    driver.install()
    yield driver
    driver.close()


def test_an_idle_claim_writes_nothing_and_asks_little(driver, client):
    warm(driver)
    put(driver, *(later(str(number), NOW + 9) for number in range(50)))
    with Counted(client) as counted:
        assert driver.claim(claim(100, now=NOW)) == ([], NOW + 9)
    assert counted.changes == 0
    assert counted.all <= 7
    with Counted(client) as counted:
        driver.claim(claim(100, now=NOW, queues=("a", "b", "c")))
    assert counted.all <= 9


@pytest.mark.parametrize("queues", [None, ("default", "other")])
def test_a_claim_costs_the_same_whatever_else_is_stored(driver, client, queues):
    costs = []
    for number in (10, 5_000):
        warm(driver)
        put(driver, *(done(f"{number} old {n}") for n in range(number)))
        put(driver, *(later(f"{number} future {n}", NOW * 2) for n in range(number)))
        put(driver, *(row(f"{number} now {n}") for n in range(10)))
        with Counted(client) as counted:
            taken = driver.claim(claim(10, queues=queues)).rows
        assert len(taken) == 10
        costs.append(counted.all)
    assert costs[0] == costs[1]
    assert costs[0] < 10 * 6


def test_what_the_server_does_for_each_of_many(driver, client):
    """Commands within a script, but for those of the whole: the indexes are changed at once."""
    warm(driver)
    costs = {}
    for many in (100, 200):
        with Counted(client) as stored:
            driver.insert([row(f"{many} {number}") for number in range(many)])
        with Counted(client) as claimed:
            taken = driver.claim(claim(many)).rows
        with Counted(client) as finished:
            driver.swap([move(one) for one in taken])
        costs[many] = [counted.all for counted in (stored, claimed, finished)]
    apiece = [(more - some) / 100 for some, more in zip(costs[100], costs[200], strict=True)]
    assert apiece == pytest.approx([1, 3, 2], abs=0.1)


def test_every_verb_is_one_call_of_the_client(driver, client):
    warm(driver)
    put(driver, *(row(str(number), unique_key=str(number)) for number in range(100)))
    verbs = [
        lambda: driver.insert([row(f"new {number}") for number in range(100)]),
        lambda: driver.load([str(number) for number in range(100)]),
        lambda: taken.extend(driver.claim(claim(100)).rows),
        lambda: driver.hold([renewal(one, NOW + 9) for one in taken]),
        lambda: driver.swap([move(one) for one in taken]),
        lambda: driver.scan(Page(limit=50)),
        lambda: driver.erase(Finished("succeeded", NOW * 2), 100),
        lambda: driver.erase([f"new {number}" for number in range(100)], 100),
        lambda: driver.write("r", "{}", 0),
    ]
    taken = []
    for verb in verbs:
        with Counted(client) as counted:
            verb()
        assert counted.calls["evalsha"] == 1


def test_eight_clients_find_four_hundred_due_jobs_and_never_nothing(server, client):
    """No claim is empty while jobs are there, and none is given twice."""
    drivers = [RedisDriver(RedisConfig(server.url, max_connections=2)) for _ in range(8)]
    drivers[0].install()
    put(drivers[0], *(later(str(number), NOW - number) for number in range(400)))

    def work(number):
        answers = []
        while rows := drivers[number].claim(claim(5, worker=f"w{number}")).rows:
            answers.append(ids(rows))
        return answers

    answers = [answer for part in in_threads(8, work) for answer in part]
    assert [len(answer) for answer in answers] == [5] * 80
    assert len({job for answer in answers for job in answer}) == 400
    for driver in drivers:
        driver.close()
