"""The judge lets a killed process's claims end at once, and nobody else's before their lease."""

import pytest

from tests.crash.story import succeeded

EARLY = {"rescue_waits_for_the_lease", "no_two_claims_live"}


@pytest.mark.parametrize("verdict", ["done", None])
def test_a_claim_of_the_dead_may_be_taken_at_once(killed, verdict):
    """Whether the answer to the rescue was lost, or not."""
    killed.bury(1.55, 2, 1)
    killed.finish(1.61, 2, 1, state="enqueued", rescue=True, verdict=verdict)
    killed.run(1.7, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == set()


def test_a_rescue_before_the_lease_lapsed(killed):
    killed.finish(1.6, 2, 1, state="enqueued", rescue=True)
    killed.run(2.2, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"rescue_waits_for_the_lease"}


def test_a_rescue_before_the_claim_of_the_dead_was_ended(killed):
    killed.finish(1.6, 2, 1, state="enqueued", rescue=True)
    killed.bury(1.9, 2, 1)
    killed.run(2.2, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"rescue_waits_for_the_lease"}


def test_the_claim_of_one_that_lives_is_ended(story):
    story.claim(1, 1, 1)
    story.start(1.01, 1, 1)
    story.bury(1.2, 2, 1)
    story.finish(1.3, 2, 1, state="enqueued", rescue=True)
    story.run(1.4, 2, 2)
    story.end(1.9, 1, 1)
    story.finish(2, 1, 1, verdict="stale")
    story.stored = succeeded(2, 2)
    assert story.broken() == {
        *EARLY,
        "claims_end_for_a_reason",
        "no_two_runs_overlap",
        "a_repeat_has_a_reason",
    }


def test_the_claim_of_one_that_is_paused_is_ended(story):
    story.claim(1, 1, 1)
    story.note(3.0, "stall", 1, since=1_100_000, verb="pause")
    story.bury(1.55, 2, 1)
    story.finish(1.6, 2, 1, state="enqueued", rescue=True)
    story.run(1.7, 2, 2)
    story.stored = succeeded(2, 2)
    assert story.broken() == {*EARLY, "claims_end_for_a_reason"}


@pytest.mark.parametrize("at", [1.1, 1.499])
def test_the_claim_of_one_that_is_killed_later_is_ended(killed, at):
    killed.bury(at, 2, 1)
    killed.finish(1.51, 2, 1, state="enqueued", rescue=True)
    killed.run(1.6, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == EARLY


def test_the_claim_of_one_that_lives_is_ended_when_another_is_killed(story):
    story.claim(1, 1, 1)
    story.kill(1.5, 3)
    story.bury(1.55, 2, 1)
    story.finish(1.6, 2, 1, state="enqueued", rescue=True)
    story.run(1.7, 2, 2)
    story.stored = succeeded(2, 2)
    assert story.broken() == {*EARLY, "claims_end_for_a_reason"}
