"""Ids are UUIDv7: RFC 9562, section 5.7."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest

from qml import Job
from qml.values import ids
from qml.values.ids import new_id, new_ids


def test_version_and_variant():
    for _ in range(1_000):
        made = uuid.UUID(new_id())
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_it_is_the_usual_text():
    made = new_id()
    assert str(uuid.UUID(made)) == made
    assert len(made) == 36


def test_it_tells_the_millisecond():
    before = time.time_ns() // 1_000_000
    millis = uuid.UUID(new_id()).int >> 80
    assert before <= millis <= time.time_ns() // 1_000_000


def test_ids_sort_by_time(monkeypatch):
    made = []
    for millis in (0, 1, 2**32, 1_800_000_000_000, 1_800_000_000_001, 2**48 - 1):
        monkeypatch.setattr(ids.time, "time_ns", lambda millis=millis: millis * 1_000_000 + 999_999)
        made.append(new_id())
    assert made == sorted(made)


@pytest.mark.parametrize(("byte", "digit"), [(b"\0", "0"), (b"\xff", "f")])
def test_all_the_other_bits_are_random(monkeypatch, byte, digit):
    monkeypatch.setattr(ids.os, "urandom", lambda size: byte * size)
    monkeypatch.setattr(ids, "_ahead", ids._Ahead())
    text = new_id().replace("-", "")
    assert text[12] == "7"
    assert text[16] == {"0": "8", "f": "b"}[digit]
    assert text[13:16] + text[17:] == digit * 18


def test_no_two_are_equal_in_one_millisecond(monkeypatch):
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_800_000_000_000_000_000)
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_a_forked_child_draws_its_own(monkeypatch):
    new_id()
    ahead = {*ids._ahead.drawn}
    assert ahead
    monkeypatch.setattr(ids.os, "getpid", lambda: -1)
    assert not ahead & {new_id()[14:] for _ in range(100)}


def test_threads_draw_no_id_twice():
    with ThreadPoolExecutor(8) as pool:
        made = [*chain(*pool.map(lambda _: [new_id()[14:] for _ in range(2_000)], range(8)))]
    assert len(set(made)) == 16_000


def test_many_come_in_their_order():
    made = new_ids(1_000)
    assert made == sorted(set(made))
    assert len(made) == 1_000
    assert {uuid.UUID(one).version for one in made} == {7}
    assert new_ids(0) == []


def test_a_job_gets_one_unless_given():
    assert uuid.UUID(Job("m").id).version == 7
    assert Job("m").id != Job("m").id
    assert Job("m", id="mine").id == "mine"
    assert uuid.UUID(Job("m", id=None).id).version == 7
