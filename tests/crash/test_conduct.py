"""The judge's rules on processes, logs, the store and outages: what passes, what is rejected."""

import re

import attrs
import pytest

from qml.testing.history import Verdict
from tests.crash.case import Stored
from tests.crash.history import NEVER
from tests.crash.recovery import recovery
from tests.crash.report import report
from tests.crash.story import Story


@pytest.mark.parametrize("status", [1, -11, None])
def test_a_process_that_died_by_itself(story, status):
    story.run(1, 1, 1)
    story.ends[2] = status
    assert story.broken() == {"nobody_dies_by_itself"}


def test_a_process_that_died_before_its_kill(story):
    story.run(1, 1, 1)
    story.kill(1.7, 1)
    assert story.broken() == set()
    story.ends[1] = 1
    assert story.broken() == {"nobody_dies_by_itself"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"printed": ("Traceback (most recent call last):",)}, "nothing_is_printed"),
        ({"flaw": "row 3 missing from index"}, "the_store_is_sound"),
        ({"drained": None}, "nothing_is_left"),
    ],
)
def test_bad_signs_beside_the_ledgers(story, change, rule):
    story.run(1, 1, 1)
    assert story.broken(**change) == {rule}


# -- outages -----------------------------------------------------------------------------------


@pytest.fixture
def outage(story):
    """From 1.5 to 3 there is no server; the claim of life 1 cannot be renewed and lapses at 2."""
    story.outage(1.5, 3)
    story.claim(1, 1, 1)
    story.start(1.01, 1, 1)
    story.miss(1.55, 1.56, 1, "hold")
    story.end(1.8, 1, 1)
    return story


def test_an_outage_beyond_the_lease_explains_a_second_run(outage):
    outage.finish(3.4, 1, 1, verdict="stale")
    outage.finish(3.1, 2, 1, state="enqueued", rescue=True)
    outage.run(3.2, 2, 2)
    outage.stored = {"j": Stored("j", "succeeded", 2, 2, 100, result=[2, 2])}
    assert outage.broken() == set()


def test_an_outcome_waits_for_the_server(outage):
    outage.finish(1.81, 1, 1, verdict=None)
    outage.miss(1.8, 1.9, 1, "swap")
    outage.finish(3.4, 1, 1)
    assert outage.broken() == set()


def test_a_call_on_a_cut_connection_may_fail_soon_after(outage):
    outage.finish(3.4, 1, 1)
    outage.miss(3.5, 3.51, 2)
    outage.note(3.51, "log", 2, level="WARNING", text="claim: the server does not answer")
    assert outage.broken() == set()


@pytest.mark.parametrize("at", [1.4, 4.5])
def test_a_call_that_fails_while_the_server_is_there(outage, at):
    outage.finish(3.4, 1, 1)
    outage.miss(at, at + 0.05, 1)
    assert outage.broken() == {"the_store_is_missed_only_while_it_is_away"}


def test_a_call_that_fails_and_there_never_was_an_outage(story):
    story.run(1, 1, 1)
    story.miss(1, 1.1, 2)
    assert story.broken() == {"the_store_is_missed_only_while_it_is_away"}


@pytest.mark.parametrize(("pulse", "bad"), [(6.0, False), (5.5, True)])
def test_a_call_whose_process_stood_still(story, pulse, bad):
    story.run(1, 1, 1)
    story.note(4.9, "pulse", 2)
    story.note(pulse, "pulse", 2)
    story.miss(4, 7, 2)
    story.note(7, "log", 2, level="WARNING", text="cannot be reached: no answer came within 3 s")
    rules = {"the_store_is_missed_only_while_it_is_away", "nothing_bad_is_logged"}
    assert story.broken() == (rules if bad else set())


@pytest.mark.parametrize(
    ("at", "level", "text", "bad"),
    [
        (2, "WARNING", "claim: the server does not answer", False),
        (6.9, "WARNING", "cannot be reached: no answer came within 3 s", False),  # asked before 4
        (7.1, "WARNING", "cannot be reached: no answer came within 3 s", True),
        (7.1, "WARNING", "database is locked", True),
        (5, "WARNING", "rescued job j", False),
        (2, "ERROR", "renewal failed", True),
    ],
)
def test_what_may_be_logged(outage, at, level, text, bad):
    outage.finish(3.4, 1, 1)
    outage.note(at, "log", 2, level=level, text=text)
    assert outage.broken() == ({"nothing_bad_is_logged"} if bad else set())


def test_an_outcome_that_the_store_forgot(outage):
    outage.finish(1.4, 1, 1)
    outage.run(3.2, 2, 2)
    outage.stored = {"j": Stored("j", "succeeded", 2, 2, 100, result=[2, 2])}
    assert "outcomes_stand" in outage.broken()


def test_a_process_that_never_comes_back(outage):
    outage.finish(3.4, 1, 1)
    outage.end_at = 21
    assert outage.broken() == {"everybody_goes_on"}  # all three, 17 seconds and more
    for life in (1, 2, 3):
        for at in (9, 18):
            outage.note(at, "renewal", life, job="j", fence=9, verdict="stale")
    assert outage.broken() == set()


def test_a_long_outage_is_no_silence(story):
    story.run(1, 1, 1)
    story.outage(2, 14, "freeze")
    story.end_at = 20
    assert story.broken() == set()


def test_a_process_that_stands_still_is_not_silent(story):
    story.run(1, 1, 1)
    story.end_at = 14
    for life in (1, 2, 3):
        story.note(13, "stall", life, since=int(2.5e6), verb="pause")
    assert story.broken() == set()


def test_recovery_is_counted_from_the_return(outage):
    outage.note(3.2, "born", 4, role="server")
    outage.claim(3.3, 4, 3)  # it was born after the outage
    outage.claim(3.5, 2, 2)
    outage.finish(3.75, 1, 1)
    found = recovery(outage.case().history)
    assert found.away == [1.5]
    assert found.finish == [0.75]
    assert found.answers == [0.75, 0.5]  # lives 1 and 2; the enqueuer had none
    assert "max 0.75 s" in report(outage.case())


def test_recovery_leaves_the_next_outage_out(outage):
    outage.outage(3.5, 4.5)
    outage.finish(5, 1, 1)
    assert recovery(outage.case().history).finish == [1.0, 0.5]


def test_an_outage_without_an_end(story):
    story.note(1, "down", 0, how="kill")
    [outage] = story.case().history.outages
    assert outage.up == NEVER


def test_what_the_checker_of_histories_finds_is_a_fault(story):
    story.run(1, 1, 1)
    verdict = Verdict(["job j cannot be"], 9, 1, 1, 1, 1, 4, 0)
    assert story.broken(checked=verdict) == {"the_history_can_be"}
    assert story.broken(checked=attrs.evolve(verdict, faults=[])) == set()
    figures = report(Story().case(checked=verdict))
    assert re.search(r"calls in the history +9\n +without an answer +1", figures)
