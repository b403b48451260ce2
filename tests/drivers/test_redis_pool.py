"""Redis: the pool lends each connection to one at a time, and none that has ended."""

import gc
import threading

import pytest
import redis
from redis.connection import parse_url

from qml.drivers.redis.pool import Exhausted, Line, Pool
from tests.servers import redis_url
from tests.work.support import eventually

OPTIONS = {"protocol": 2, "decode_responses": False}


@pytest.fixture
def make():
    made = []

    def make(most=2, patience=5.0, **options):
        made.append(Pool({**parse_url(redis_url()), **OPTIONS, **options}, most, patience))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def ask(line, *command):
    line.connection.send_command(*command)
    return line.connection.read_response()


def test_the_last_given_back_is_lent_first(make):
    pool = make()
    one, other = pool.take(), pool.take()
    pool.give_back(one)
    pool.give_back(other)
    assert [pool.take(), pool.take()] == [other, one]


def test_who_finds_none_waits_for_one(make):
    pool = make(most=1)
    line, taken = pool.take(), []
    threads = [threading.Thread(target=lambda: taken.append(pool.take())) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: pool._waiting == 2)
    assert not taken
    pool.give_back(line)
    eventually(lambda: taken == [line])
    pool.drop(line)  # another may be made in its place
    eventually(lambda: len(taken) == 2)
    assert taken[1] is not line
    assert len(pool._lines) == 1


def test_nobody_waits_for_ever(make):
    pool = make(most=1, patience=0.05)
    line = pool.take()
    with pytest.raises(Exhausted):
        pool.take()
    pool.give_back(line)
    assert pool.take() is line


def test_one_that_was_ended_by_the_server_is_not_lent(make):
    pool = make()
    line, killer = pool.take(), pool.take()
    number = ask(line, "CLIENT", "ID")
    pool.give_back(line)
    assert ask(killer, "CLIENT", "KILL", "ID", number) == 1
    other = pool.take()
    assert other is not line
    assert ask(other, "PING") == b"PONG"
    assert len(pool._lines) == 2


def test_one_with_a_reply_that_nobody_waits_for_is_not_lent(make):
    pool = make()
    line = pool.take()
    line.connection.send_command("ECHO", "mine")
    eventually(lambda: line._look(0))
    pool.give_back(line)
    assert ask(pool.take(), "ECHO", "yours") == b"yours"


def test_what_cannot_be_opened_does_not_count(make):
    pool = make(most=1, host="127.0.0.1", port=1)
    for _ in range(3):
        with pytest.raises(redis.ConnectionError):
            pool.take()
    assert len(pool._lines) == 0


@pytest.mark.parametrize("moment", ["connect", "usable"])
def test_an_interrupt_costs_no_connection(make, monkeypatch, moment):
    pool = make(most=1)
    if moment == "usable":
        pool.give_back(pool.take())

    def interrupt(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Line, moment, interrupt if moment == "connect" else property(interrupt))
        with pytest.raises(KeyboardInterrupt):
            pool.take()
    assert ask(pool.take(), "PING") == b"PONG"


def test_one_that_nobody_has_does_not_count(make):
    pool = make(most=1)
    pool.take()  # and its caller is interrupted before he knows it
    gc.collect()
    assert ask(pool.take(), "PING") == b"PONG"


def test_an_interrupt_as_it_is_given_back(make):
    pool = make(most=1)
    line = pool.take()
    pool.give_back(line)
    pool.drop(line)
    assert pool.take() is not line


def test_who_waits_hears_of_the_end(make):
    pool, told = make(most=1), []
    line = pool.take()

    def work():
        with pytest.raises(Exhausted):
            pool.take()
        told.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: pool._waiting)
    pool.close()
    thread.join(5)
    assert told
    pool.give_back(line)
    assert not pool._idle


def test_a_call_in_the_middle_of_another_as_of_a_signal(make):
    pool, taken = make(), []

    def interrupted():
        with pool._lock:
            taken.append(pool.take())
            pool.give_back(taken[0])

    threading.Thread(target=interrupted, daemon=True).start()
    eventually(lambda: taken and pool._idle == taken)


def test_what_is_lent_while_it_is_closed_ends_when_it_comes_back(make):
    pool = make()
    idle, lent = pool.take(), pool.take()
    pool.give_back(idle)
    pool.close()
    assert idle.connection._sock is None
    assert ask(lent, "PING") == b"PONG"
    pool.give_back(lent)
    assert lent.connection._sock is None
    assert len(pool._lines) == 0
