"""The judge lets a clean history pass, explains what kills explain, and rejects every other one."""

import attrs
import pytest

from tests.crash.case import Stored
from tests.crash.ledger import Ledger, read_all
from tests.crash.story import Story, succeeded


def test_one_clean_run_passes(story):
    story.run(1, 1, 1)
    assert story.broken() == set()


def test_a_kill_explains_a_second_run(killed):
    killed.finish(2.1, 2, 1, state="enqueued", rescue=True)
    killed.run(2.2, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == set()


def test_a_stall_beyond_the_lease_explains_a_second_run_and_an_overlap(story):
    story.claim(1, 1, 1)
    story.start(1.01, 1, 1)
    story.note(1.1, "pulse", 1)
    story.note(3.0, "pulse", 1)
    story.end(3.01, 1, 1)
    story.finish(3.02, 1, 1, verdict="stale")
    story.finish(2.1, 2, 1, state="enqueued", rescue=True)
    story.run(2.2, 2, 2, length=1)
    story.stored = succeeded(2, 2)
    assert story.broken() == set()


def test_a_pause_by_the_controller_is_a_stall_even_if_a_kill_follows(story):
    story.claim(1, 1, 1)
    story.start(1.01, 1, 1)
    story.note(1.1, "pulse", 1)
    story.run(2.2, 2, 2)
    story.kill(2.8, 1)
    story.stored = succeeded(2, 2)
    assert story.broken() == set()


def test_a_hand_back_explains_another_claim(story):
    story.claim(1, 1, 1)
    story.finish(1.3, 1, 1, state="enqueued")
    story.run(1.4, 2, 2)
    story.stored = succeeded(2, 2)
    assert story.broken() == set()


@pytest.mark.parametrize("answer", [None, "unknown"])
def test_an_enqueue_without_an_answer_may_be_there_or_not(story, answer):
    story.run(1, 1, 1)
    story.enqueue("k", answer=answer)
    assert story.broken() == set()
    story.stored["k"] = attrs.evolve(story.stored["j"], id="k", state="failed")
    assert story.broken() == set()


def test_a_job_asked_for_again_was_there_or_is_now():
    for second in ("ack", "refusal"):
        story = Story()
        story.enqueue("j", answer="unknown")
        story.enqueue("j", answer=second, again=True)
        story.run(1, 1, 1)
        assert story.broken() == set()
        story.stored = {}
        assert "no_job_is_lost" in story.broken()


def test_a_job_beside_a_taken_id_is_refused(story):
    story.run(1, 1, 1)
    story.enqueue("k", answer="refusal", taken="j")
    assert story.broken() == set()


def test_an_end_whose_answer_was_lost_explains_another_claim(story):
    story.claim(1, 1, 1)
    story.finish(1.3, 1, 1, state="enqueued", verdict=None)
    story.finish(1.5, 1, 1, state="enqueued", verdict="stale")
    story.run(1.6, 2, 2)
    story.stored = succeeded(2, 2)
    assert story.broken() == set()


# -- what must be rejected ---------------------------------------------------------------------


def test_a_lost_job(story):
    story.stored = {}
    assert "no_job_is_lost" in story.broken()


@pytest.mark.parametrize("state", ["enqueued", "processing", "awaiting_retry", "deleted"])
def test_a_job_left_behind(story, state):
    story.stored = {"j": Stored("j", state, 0, 0, 100)}
    assert {"no_job_is_lost", "nothing_is_left"} <= story.broken()


def test_a_job_given_up_too_early(killed):
    killed.stored = {"j": Stored("j", "failed", 1, 1, 100, exception="WorkerLost: ...")}
    assert killed.broken() == {"no_job_is_lost"}
    killed.stored = {"j": Stored("j", "failed", 1, 100, 100, exception="WorkerLost: ...")}
    killed.ends.clear()
    assert killed.broken() == set()


def test_a_job_that_failed_of_itself(killed):
    killed.stored = {"j": Stored("j", "failed", 1, 100, 100, exception="TypeError: ...")}
    assert killed.broken() == {"no_job_is_lost"}


@pytest.mark.parametrize("answer", [None, "unknown"])
def test_half_a_batch(story, answer):
    story.run(1, 1, 1)
    story.enqueue("j", "k", answer=answer)
    assert story.broken() == {"an_enqueue_is_all_or_nothing"}


def test_a_refusal_of_what_was_given_once():
    story = Story()
    story.enqueue("j", answer="refusal")
    story.run(1, 1, 1)
    assert story.broken() == {"refusals_are_true"}


def test_a_job_stored_beside_a_taken_id(story):
    story.run(1, 1, 1)
    story.enqueue("k", answer="unknown", taken="j")
    assert story.broken() == set()
    story.stored["k"] = attrs.evolve(story.stored["j"], id="k", state="failed")
    assert story.broken() == {"refusals_are_true"}


def test_a_job_accepted_beside_a_taken_id(story):
    story.run(1, 1, 1)
    story.enqueue("k", taken="j")
    assert story.broken() == {"refusals_are_true", "no_job_is_lost"}


def test_a_job_out_of_nowhere(story):
    story.run(1, 1, 1)
    story.stored["k"] = attrs.evolve(story.stored["j"], id="k")
    assert "an_enqueue_is_all_or_nothing" in story.broken()


def test_a_run_again_without_a_kill(story):
    story.run(1, 1, 1)
    story.run(3, 2, 2)
    story.stored = succeeded(2, 2)
    found = story.broken()
    assert {"a_repeat_has_a_reason", "outcomes_stand"} <= found


def test_a_lease_that_lapsed_on_a_running_process(story):
    story.claim(1, 1, 1)
    story.start(1.01, 1, 1)
    for beat in range(10, 40):
        story.note(beat / 10, "pulse", 1)
    story.run(2.2, 2, 2, length=1)
    story.end(3, 1, 1)
    story.stored = succeeded(2, 2)
    assert story.broken() == {
        "claims_end_for_a_reason",
        "no_two_runs_overlap",
        "a_repeat_has_a_reason",
    }


def test_two_live_claims(killed):
    killed.run(1.6, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"no_two_claims_live"}


def test_a_renewed_claim_is_live(killed):
    killed.renew(1.4, 1, 1, until=4)
    killed.run(2.2, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"no_two_claims_live"}


def test_a_refused_end_ends_no_claim(killed):
    killed.finish(1.4, 1, 1, verdict="stale")
    killed.run(1.6, 2, 2)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"no_two_claims_live"}


def test_an_end_that_came_after_the_next_claim(killed):
    killed.run(1.6, 2, 2)
    killed.finish(1.8, 1, 1, verdict=None)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"no_two_claims_live"}


def test_runs_that_overlap(story):
    story.claim(1, 1, 1)
    story.finish(1.2, 1, 1, state="enqueued")
    story.start(1.01, 1, 1)
    story.run(1.3, 2, 2)
    story.end(1.5, 1, 1)
    story.stored = succeeded(2, 2)
    assert story.broken() == {"no_two_runs_overlap", "a_repeat_has_a_reason"}


def test_one_claim_run_twice(story):
    story.run(1, 1, 1)
    story.start(1.02, 1, 1)
    assert "a_fence_is_given_once" in story.broken()


def test_a_fence_given_twice(killed):
    killed.run(2.2, 2, 1)
    killed.stored = succeeded(2, 1)
    assert "a_fence_is_given_once" in killed.broken()


def test_a_fence_that_falls(killed):
    killed.claim(0.5, 2, 2, version=9)
    assert "fences_rise" in killed.broken()


def test_a_store_that_forgot_a_fence(killed):
    killed.run(2.2, 2, 2)
    killed.stored = {"j": Stored("j", "succeeded", 1, 1, 100, result=[2, 2])}
    assert killed.broken() == {"fences_rise"}


def test_a_run_without_a_claim(story):
    story.run(1, 1, 1)
    story.start(1.02, 2, 1)
    assert "runs_belong_to_claims" in story.broken()


def test_a_run_that_never_ended(story):
    story.run(1, 1, 1)
    story.notes = [note for note in story.notes if note["kind"] != "end"]
    assert {"runs_belong_to_claims", "outcomes_come_from_runs"} == story.broken()


def test_an_outcome_that_vanished(story):
    story.run(1, 1, 1)
    story.stored = {"j": Stored("j", "succeeded", 1, 1, 100, result=[2, 1])}
    assert {"outcomes_stand", "outcomes_come_from_runs"} == story.broken()


def test_a_stale_hand_that_was_heard(killed):
    killed.run(2.2, 2, 2)
    killed.finish(2.5, 1, 1, state="failed")
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"stale_hands_change_nothing"}


def test_a_stale_renewal_that_was_heard(killed):
    killed.run(2.2, 2, 2)
    killed.renew(2.5, 1, 1, until=2.0)
    killed.stored = succeeded(2, 2)
    assert killed.broken() == {"stale_hands_change_nothing"}


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path):
    Ledger(tmp_path, 1).note("ack", jobs=["j"])
    with (tmp_path / "1.ledger").open("a") as file:
        file.write('{"at": 5, "li')
    Ledger(tmp_path, 2).note("pulse")
    assert [note["kind"] for note in read_all(tmp_path)] == ["ack", "pulse"]
