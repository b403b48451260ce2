"""Looks at the store are shared, and one thread at a time asks."""

import threading

import pytest

from qml.web import looks
from qml.web.looks import Looks


@pytest.fixture
def now(monkeypatch):
    class Time:
        at = 1_000.0

    monkeypatch.setattr(looks.time, "monotonic", lambda: Time.at)
    return Time


class Question:
    def __init__(self, now, cost=0.0):
        self.asked, self.cost, self.now, self.error = 0, cost, now, None

    def __call__(self):
        self.asked += 1
        self.now.at += self.cost
        if self.error:
            raise self.error
        return self.asked


def test_an_answer_is_good_for_a_while(now):
    question, seen = Question(now), Looks()
    assert [seen.at("k", question) for _ in range(3)] == [1, 1, 1]
    now.at += looks.FRESH + 0.1
    assert seen.at("k", question) == 2


def test_keys_have_answers_of_their_own(now):
    question, seen = Question(now), Looks()
    assert [seen.at(key, question) for key in "aba"] == [1, 2, 1]


def test_what_was_changed_is_asked_for_anew(now):
    question, seen = Question(now), Looks()
    seen.at("k", question)
    seen.forget()
    assert seen.at("k", question) == 2


def test_a_dear_answer_is_used_longer_and_asked_for_behind(now):
    question, seen = Question(now, cost=1.0), Looks()
    assert seen.at("k", question) == 1
    now.at += 10
    assert seen.at("k", question) == 1, "5 % of the time at most"
    now.at += 11
    assert seen.at("k", question) == 1, "and nobody waits for the next"
    for thread in threading.enumerate():
        if thread.name == "qml-dashboard-look":
            thread.join()
    assert seen.at("k", question) == 2
    now.at += looks.OLDEST + 1
    assert seen.at("k", question) == 3, "one that is too old is not shown"


def test_what_takes_long_is_there_the_next_time(monkeypatch):
    monkeypatch.setattr(looks, "SOON", 0.01)
    go_on, seen = threading.Event(), Looks()

    def question():
        go_on.wait(10)
        return "told"

    assert seen.soon("k", question) is None
    assert seen.known("k") is None
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "qml-dashboard-look":
            thread.join()
    assert seen.soon("k", question) == "told"
    assert seen.known("k") == "told"


def test_what_does_not_take_long_is_there_at_once():
    seen = Looks()
    assert seen.soon("k", lambda: 7) == 7
    with pytest.raises(ValueError, match="no"):
        seen.soon("other", raising)


def raising():
    raise ValueError("no")


def test_errors_are_raised_and_not_kept(now):
    question, seen = Question(now), Looks()
    question.error = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        seen.at("k", question)
    question.error = None
    assert seen.at("k", question) == 2


def test_an_error_behind_is_told_to_who_looks_next(now):
    question, seen = Question(now, cost=1.0), Looks()
    seen.at("k", question)
    now.at += 30
    question.error = ValueError("down")
    seen.at("k", question)
    for thread in threading.enumerate():
        if thread.name == "qml-dashboard-look":
            thread.join()
    with pytest.raises(ValueError, match="down"):
        seen.at("k", question)


def test_many_who_come_at_once_have_one_answer():
    entered, go_on = threading.Event(), threading.Event()
    asked, answers, seen = [], [], Looks()

    def question():
        asked.append(1)
        entered.set()
        go_on.wait(10)
        return len(asked)

    threads = [
        threading.Thread(target=lambda: answers.append(seen.at("k", question))) for _ in range(6)
    ]
    threads[0].start()
    entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert answers == [1] * 6


def test_many_who_wait_for_a_silent_store_wait_together():
    entered, go_on = threading.Event(), threading.Event()
    asked, errors, seen = [], [], Looks()

    def question():
        asked.append(1)
        entered.set()
        go_on.wait(10)
        raise ValueError("silent")

    def look():
        try:
            seen.at("k", question)
        except ValueError as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(5)]
    for thread in threads:
        thread.start()
    entered.wait(10)
    while seen._looks["k"].asking.locked() and sum(t.is_alive() for t in threads) < 5:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(errors) == 5
    assert len(asked) < 5


def test_of_too_many_answers_the_oldest_are_forgotten(now, monkeypatch):
    monkeypatch.setattr(looks, "MOST", 3)
    question, seen = Question(now), Looks()
    for key in range(9):
        seen.at(key, question)
    assert [key for key in range(9) if seen.known(key)] == [6, 7, 8]
    assert seen.at(8, question) == 9
