"""Paused queues: a record keeps claims out, at once and in every claim."""

import threading

import pytest

from qml.seam.rows import PAUSED, Available, Page, Verdict, Write

from .making import NOW, claim, everything, finish, ids, later, limited, lock, move, put, row, taken
from .test_life import in_threads

DONE = Verdict.DONE


def pause(driver, *queues):
    for queue in queues:
        assert driver.write(PAUSED + queue, "{}", 0) is DONE


def resume(driver, *queues):
    for queue in queues:
        known = driver.read(PAUSED + queue)
        assert driver.write(PAUSED + queue, None, known.version) is DONE


def test_a_claim_leaves_out_what_is_paused(driver):
    put(driver, row("a", queue="q1"), row("b", queue="q2"), row("c", queue="q1"), row("d"))
    pause(driver, "q1")
    assert taken(driver) == ["b", "d"]
    assert taken(driver) == []
    resume(driver, "q1")
    assert taken(driver) == ["a", "c"]


def test_a_claim_restricted_to_queues_leaves_them_out_too(driver):
    put(driver, row("a", queue="q1"), row("b", queue="q2"), row("c", queue="q3"))
    pause(driver, "q1", "q3")
    assert taken(driver, queues=("q1",)) == []
    assert taken(driver, queues=("q1", "q2")) == ["b"]
    assert taken(driver, queues=("q1", "q3")) == []
    resume(driver, "q1")
    assert taken(driver, queues=("q1", "q3")) == ["a"]


def test_all_queues_may_be_paused(driver):
    put(driver, row("a", queue="q1"), limited("b", queue="q2"))
    pause(driver, "q1", "q2")
    assert driver.claim(claim()) == ([], None)
    assert driver.scan(Available(NOW)) == []


def test_available_leaves_out_what_is_paused(driver):
    put(driver, row("a", queue="q1"), row("b", queue="q2"), later("c", NOW, queue="q1"))
    pause(driver, "q1")
    assert ids(driver.scan(Available(NOW))) == ["b"]
    assert ids(driver.scan(Available(NOW, 5))) == ["b"]
    resume(driver, "q1")
    assert ids(driver.scan(Available(NOW, 2))) == ["a", "b"]


def test_other_queries_and_counts_do_not(driver):
    put(driver, row("a", queue="q1"), later("b", NOW + 1, queue="q1", expires_at=NOW))
    pause(driver, "q1")
    assert len(everything(driver)) == 2
    assert driver.count(Page(), "queue") == {"q1": 2}
    assert ids(driver.scan(Page(queue="q1"))) == ["b", "a"]


def test_order_and_priorities_of_the_others_stay(driver):
    rows = [row(str(n), queue=f"q{n % 3}", priority=n % 4) for n in range(12)]
    put(driver, *rows)
    pause(driver, "q1")
    left = [one for one in rows if one.queue != "q1"]
    best = sorted(left, key=lambda one: -one.priority)
    assert taken(driver, 3) + taken(driver) == [one.id for one in best]


def test_lanes_of_a_paused_queue_are_left_out(driver):
    put(driver, limited("a", queue="q1"), limited("b", queue="q2"), limited("c", queue="q1"))
    pause(driver, "q1")
    assert taken(driver) == ["b"]
    resume(driver, "q1")
    assert taken(driver) == []
    finish(driver, "b")
    assert taken(driver) == ["a"]
    pause(driver, "q1")
    finish(driver, "a")
    assert taken(driver) == []
    resume(driver, "q1")
    assert taken(driver) == ["c"]


def test_what_runs_goes_on(driver):
    put(driver, row("a", queue="q1"), row("b", queue="q1"))
    [a] = driver.claim(claim(1)).rows
    pause(driver, "q1")
    assert driver.hold([lock("b", "w2")]) == [DONE]
    assert driver.swap([move(a)]) == [DONE]
    assert taken(driver, worker="w2") == []  # neither what it holds


def test_rows_ahead_are_left_out_too(driver):
    put(driver, row("a"), row("b", queue="q1"), row("c"))
    pause(driver, "q1")
    assert taken(driver, 1, ahead=5) == ["a", "c"]


def test_rows_of_a_paused_queue_fall_due_and_come_with_it(driver):
    put(driver, later("a", NOW, queue="q1"), later("b", NOW + 5, queue="q1"))
    pause(driver, "q1")
    assert driver.claim(claim()) == ([], NOW + 5)
    assert driver.claim(claim(now=NOW + 5)) == ([], None)
    resume(driver, "q1")
    assert taken(driver, now=NOW + 5) == ["a", "b"]


def test_a_queue_may_be_paused_before_it_has_a_row(driver):
    pause(driver, "q1")
    put(driver, row("a", queue="q1"), row("b"))
    assert taken(driver) == ["b"]


NAMES = ["q", "Q", "q ", "", "é", "e\u0301", "q/1", "q%", "q_", "paused/q", '"q"', "q\n", "x" * 200]


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_queues_are_told_apart_exactly(driver, name):
    put(driver, *(row(str(n), queue=queue) for n, queue in enumerate(NAMES)))
    pause(driver, name)
    paused = NAMES.index(name)
    assert taken(driver, 99) == [str(n) for n in range(len(NAMES)) if n != paused]
    assert taken(driver, 99, queues=tuple(NAMES)) == []
    resume(driver, name)
    assert taken(driver, 99, queues=(name,)) == [str(paused)]


def test_records_of_like_names_pause_nothing(driver):
    put(driver, row("a", queue="q"), row("b", queue="/q"), row("c", queue=""))
    for name in ("paused", "Paused/q", "pause/q", " paused/q", "x/paused/q", "paused0q"):
        assert driver.write(name, "{}", 0) is DONE
    assert taken(driver) == ["a", "b", "c"]


def test_a_record_written_again_goes_on_pausing(driver):
    put(driver, row("a", queue="q"))
    pause(driver, "q")
    assert driver.write(PAUSED + "q", '{"since":1}', 1) is DONE
    assert driver.write(PAUSED + "q", None, 1) is Verdict.STALE
    assert taken(driver) == []
    assert driver.write(PAUSED + "q", None, 2) is DONE
    assert taken(driver) == ["a"]


def test_a_record_written_with_an_insert_pauses(driver):
    refused = driver.insert([row("x")], Write(PAUSED + "q", "{}", 3))
    assert refused.obstacles
    put(driver, row("a", queue="q"))
    assert taken(driver, 1) == ["a"]
    assert driver.insert([row("b", queue="q")], Write(PAUSED + "q", "{}", 0)).obstacles == []
    assert taken(driver) == []
    resume(driver, "q")
    assert taken(driver) == ["b"]


def test_thousands_of_a_paused_queue_hide_nothing(driver):
    put(driver, *(row(str(number), queue="q1", priority=9) for number in range(3_000)))
    put(driver, limited("laned", queue="q2"), row("plain", queue="q3"))
    pause(driver, "q1")
    assert taken(driver) == ["laned", "plain"]
    assert ids(driver.scan(Available(NOW))) == []


def test_no_claim_that_begins_after_a_pause_takes_of_the_queue(driver):
    put(driver, *(row(str(number), queue=f"q{number % 2}") for number in range(400)))
    paused = threading.Event()

    def work(number):
        if number == 0:
            pause(driver, "q1")
            paused.set()
            return []
        took = []
        while True:
            after = paused.is_set()
            rows = driver.claim(claim(2, worker=f"w{number}")).rows
            assert not after or {one.queue for one in rows} <= {"q0"}
            took += ids(rows)
            if after and not rows:
                return took

    before = [name for part in in_threads(3, work) for name in part]
    resume(driver, "q1")
    assert sorted(before + taken(driver, 500)) == sorted(str(number) for number in range(400))
