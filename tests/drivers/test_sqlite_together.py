"""Threads that insert row after row: the first waits for the others, and their rows go in with its
own."""

import threading
import time

import pytest

from qml.drivers.sqlite import company, connections, turns
from qml.drivers.sqlite.company import Company
from qml.drivers.sqlite.turns import Step, Turns
from qml.values.errors import StorageUnavailable
from tests.work.support import traced

from .carrying import LONG, Outcome, insert, line, opened, stored, until
from .making import claim, ids, put, row
from .test_sqlite_durability import Storage


@pytest.fixture
def driver(tmp_path):
    with opened(tmp_path) as driver:
        yield driver


def inserts(driver, *calls):
    """What comes of inserts that are in line behind what may not carry them: the first leads."""
    with line(driver, flush=False) as those:
        those.add(*calls)
    return those.added


def kinds(statements):
    return [text.split()[0] for text in statements if not text.startswith("PRAGMA")]


def test_the_rows_of_those_in_line_go_in_with_the_first(driver):
    names = [*"abcd"]
    with traced(Storage(driver)) as statements:
        added = inserts(driver, *(insert(driver, name) for name in names))
    led, first = ["BEGIN", "COMMIT"], ["BEGIN", *["INSERT"] * 4, "SELECT", "SELECT"]
    assert kinds(statements) == [*led, *first, *["INSERT"] * 4, "COMMIT"]
    assert [one.value.seqs for one in added] == [[1], [2], [3], [4]]
    assert ids(driver.claim(claim(limit=9)).rows) == names


def test_a_taken_key_is_the_business_of_its_own_row(driver):
    put(driver, row("holder", unique_key="k"))
    for place in range(3):
        names = [f"{name}{place}" for name in "abc"]
        calls = [insert(driver, name) for name in names]
        calls[place] = insert(driver, names[place], unique_key="k")
        added = inserts(driver, *calls)
        assert [one.error for one in added] == [None] * 3
        refused = added[place].value
        assert [one.holder for one in refused.obstacles] in (["holder"], [names[place]])
        assert [len(one.value.seqs) for one in added] == [int(at != place) for at in range(3)]


def test_an_id_that_is_taken_is_the_business_of_its_own_row(driver):
    first, second, third = inserts(driver, *(insert(driver, name) for name in "aab"))
    assert [len(one.value.seqs) for one in (first, second, third)] == [1, 0, 1]
    assert [one.holder for one in second.value.obstacles] == ["a"]
    assert stored(driver) == ["a", "b"]


@pytest.mark.parametrize("place", range(3))
def test_what_cannot_be_bound_is_the_business_of_its_own_row(driver, place):
    calls = [insert(driver, name) for name in "abc"]
    calls[place] = insert(driver, "bad", metadata=object())
    added = inserts(driver, *calls)
    assert isinstance(added.pop(place).error, StorageUnavailable)
    assert [one.value.obstacles for one in added] == [[], []]
    assert len(stored(driver)) == 2


def test_a_disk_that_is_full_is_told_to_all(driver):
    driver._connections.outside_transaction(
        lambda c: c.execute("PRAGMA max_page_count = 60").fetchone()
    )
    added = inserts(driver, insert(driver, "a"), insert(driver, "big", metadata="x" * 400_000))
    assert ["full" in str(one.error) for one in added] == [True, True]
    assert stored(driver) == []


def test_a_first_that_is_broken_off_takes_nobody_along(driver, monkeypatch):
    tries = []

    def interrupted_once(step, deadline, given):
        tries.append(1)
        if len(tries) == 4:  # the second COMMIT
            raise KeyboardInterrupt
        return step(given)

    monkeypatch.setattr(connections, "again_while_busy", interrupted_once)
    first, *others = inserts(driver, *(insert(driver, name) for name in "abc"))
    assert isinstance(first.error, KeyboardInterrupt)
    assert [one.value.seqs for one in others] == [[1], [2]]
    assert stored(driver) == ["b", "c"]


def test_what_else_is_in_line_is_done_in_the_same_transaction(driver):
    put(driver, row("there"))
    with traced(Storage(driver)) as statements:
        added = inserts(
            driver,
            insert(driver, "a"),
            lambda: driver.write("name", "{}", 0),
            insert(driver, "b"),
            insert(driver, "c", "d"),
        )
    assert [one.error for one in added] == [None] * 4
    assert kinds(statements).count("COMMIT") == 2
    assert stored(driver) == [*"abcd", "there"]


# -- who is waited for -----------------------------------------------------------------------------


def entered(turns, *names):
    """Rows that threads of their own insert, in this order."""
    steps = []
    for name in names:
        step = Step(lambda c: None, row=row(name))

        def go(step=step):
            step.thread = threading.get_ident()
            try:
                turns.take(step, time.monotonic() + LONG)
            finally:
                turns.leave(step)

        steps.append((step, Outcome(go)))
        until(lambda step=step: step in turns.line or step.leads or step.is_over)
    return steps


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(turns, "GAP", LONG)
    monkeypatch.setattr(company, "GAP", LONG)


def gathering(turns, others):
    """A thread that had so many with it, and comes again."""
    step = Step(lambda c: None, row=row("first"))
    ended = threading.Event()

    def go():
        step.thread = threading.get_ident()
        turns.company.parts(range(-others, 0))
        assert turns.take(step, 0.0)
        turns.gather(step)
        ended.set()
        try:
            for one in turns._fetch(step):
                one.be_done(None)
            turns.arrive(step)
        finally:
            turns.leave(step)

    return step, ended, Outcome(go)


def test_who_comes_again_waits_for_as_many_as_it_had(patient):
    turns = Turns()
    first, ended, outcome = gathering(turns, 2)
    until(lambda: turns._gathers is first)
    [(one, its)] = entered(turns, "a")
    assert not ended.wait(0.05)
    [(two, other)] = entered(turns, "b")
    for each in (outcome, its, other):
        each.join()
        assert each.error is None
    assert first.arrived == [one, two]
    assert turns.leader is None


def test_they_are_waited_for_as_long_as_they_keep_coming(monkeypatch):
    monkeypatch.setattr(turns, "GAP", 0.2)
    monkeypatch.setattr(company, "GAP", LONG)
    held = Turns()
    first, ended, outcome = gathering(held, 5)
    until(lambda: held._gathers is first)
    entered(held, "a")
    assert ended.wait(LONG)
    outcome.join()
    assert len(first.arrived) == 1
    assert held.company.others == 1


def test_nobody_waits_for_others_who_was_not_with_them(patient):
    found = Company()
    found.parts([-1, -2])
    assert found.is_back()
    elsewhere = Outcome(found.is_back)
    elsewhere.join()
    assert elsewhere.value is False


def test_nobody_waits_who_comes_later(monkeypatch):
    found = Company()
    found.parts([-1])
    monkeypatch.setattr(company, "GAP", 0.0)
    assert not found.is_back()


def test_nobody_waits_after_a_row_alone(driver, patient):
    inserts(driver, insert(driver, "a"), insert(driver, "b"))
    held = driver._connections._turns
    assert held.company.others == 1
    put(driver, row("c"))  # of this thread, which had nobody with it
    assert held.company.others == 0


def test_the_main_thread_waits_for_nobody(patient):
    held = Turns()
    held.company.parts([-1])
    step = Step(lambda c: None, row=row("a"))
    held.take(step, 0.0)
    held.gather(step)
    held.leave(step)


def test_the_main_thread_takes_no_row_along():
    held = Turns()
    step = Step(lambda c: "its own", row=row("a"))
    held.take(step, 0.0)
    [(_, other)] = entered(held, "b")
    try:
        assert held.together(step, 0.0)(None) == "its own"
        assert len(held.line) == 1
    finally:
        held.leave(step)  # what it has carried is first in line again
    other.join()
    assert other.error is None


def test_a_write_that_is_no_row_waits_for_nobody(patient):
    held, step = Turns(), Step(lambda c: None)

    def go():
        held.company.parts([-1])
        held.take(step, 0.0)
        held.gather(step)
        held.leave(step)

    gone = Outcome(go)
    gone.join()
    assert gone.error is None


# -- who calls whom --------------------------------------------------------------------------------


def settled(turns, leader, others):
    leader.arrived = others
    turns.line.clear()
    turns.leave(leader)


def in_line(*, is_main=False):
    step = Step(lambda c: None, row=row("a"))
    step.get_in_line()
    step.thread = threading.main_thread().ident if is_main else 0
    return step


def called(step):
    return step.wait(0.0)


def led():
    """A turn, and who has it."""
    turns, leader = Turns(), Step(lambda c: None, row=row("first"))
    turns.take(leader, 0.0)
    return turns, leader


def test_each_that_was_carried_calls_the_next():
    turns, leader = led()
    one, two, three = (in_line() for _ in range(3))
    settled(turns, leader, [one, two, three])
    assert [called(one), called(two), called(three)] == [True, False, False]
    turns.leave(one)
    assert [called(two), called(three)] == [True, False]
    turns.leave(two)
    assert called(three)


def test_who_is_gone_is_passed_over():
    turns, leader = led()
    one, two, three = (in_line() for _ in range(3))
    turns.leave(two)
    settled(turns, leader, [one, two, three])
    turns.leave(one)
    assert called(three)


def test_the_main_thread_is_no_link_of_the_chain():
    turns, leader = led()
    one, main, three = in_line(), in_line(is_main=True), in_line()
    settled(turns, leader, [one, main, three])
    assert [called(one), called(main), called(three)] == [True, True, False]
    turns.leave(main)
    assert not called(three)
    turns.leave(one)
    assert called(three)


def test_who_is_broken_off_before_it_is_called_calls_the_next():
    turns, leader = led()
    one, two, three = (in_line() for _ in range(3))
    settled(turns, leader, [one, two, three])
    turns.leave(two)
    assert called(three)


def test_a_crowd_of_threads_that_insert_row_after_row(driver):
    """Nothing is lost, nobody is left behind, and most commits are shared."""

    def many(number):
        for count in range(50):
            assert len(driver.insert([row(f"{number}-{count}")]).seqs) == 1

    with traced(Storage(driver)) as statements:
        crowd = [Outcome(lambda number=number: many(number)) for number in range(8)]
        for one in crowd:
            one.join()
    assert [one.error for one in crowd] == [None] * 8
    assert len(stored(driver)) == 400
    assert kinds(statements).count("COMMIT") < 300


def test_who_should_have_been_called_by_one_that_is_broken_off_goes_on():
    """As by an exception that another thread raises in it: it has left, and calls nobody."""
    all_turns, first = Turns(), Step(lambda connection: None)
    assert all_turns.take(first, time.monotonic())
    others = [Step(lambda connection: None) for _ in range(2)]
    taken = []

    def take(step):
        taken.append(all_turns.take(step, time.monotonic() + 0.1))

    threads = [threading.Thread(target=take, args=(step,), daemon=True) for step in others]
    for number, thread in enumerate(threads, 1):
        thread.start()
        until(lambda number=number: len(all_turns.line) == number)
    all_turns._fetch(first)
    all_turns.arrive(first)
    all_turns.leave(first)  # calls the first of both, which calls nobody
    for thread in threads:
        thread.join(LONG)
    assert taken == [True, True]
