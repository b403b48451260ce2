"""Histories that cannot be: the checker rejects each, and says why in words that fit."""

import re

import pytest

from qml.testing.history import queue
from qml.testing.history.splitting import split
from tests.testing.history_tales import Tale, micros, moment

BAD = []


def bad(why):
    """A history that is not allowed: ``tell`` tells it, and a fault matches ``why``."""

    def keep(tell):
        BAD.append((tell, why))
        return tell

    return keep


@pytest.mark.parametrize(("tell", "why"), BAD, ids=lambda part: getattr(part, "__name__", ""))
def test_is_rejected(tell, why):
    tale = Tale()
    tell(tale)
    faults = tale.faults()
    assert faults
    assert [fault for fault in faults if re.search(why, fault)], faults


def finished(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1)


def lapsed(tale):
    """A claim that was rescued, and another that runs."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a")
    tale.claim(2.5, "b")


# -- claims ----------------------------------------------------------------------------------------


@bad("given twice at once, to 'a' and to 'b'")
def two_claims_inside_a_lease(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.claim(1.5, "b")


@bad("'a' runs it by fence 1")
def two_claims_inside_a_renewed_lease(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.renew(1.9, "a", 1, lease=30)
    tale.claim(5, "b")


@bad("'a' runs it by fence 1")
def a_lapsed_claim_that_nobody_rescued(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.claim(5, "b")


@bad("given twice with fence 1")
def a_fence_given_twice(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a")
    tale.claim(2.5, "b", fence=1)


@bad("its fence has to be 3, and the reply shows 2")
def a_fence_that_falls(tale):
    lapsed(tale)
    tale.release(2.6, "b", 2)
    tale.claim(3, "c", fence=2)


@bad("its fence has to be 1, and the reply shows 3")
def a_fence_that_jumps(tale):
    tale.enqueue(0)
    tale.claim(1, "a", fence=3)


@bad("its fence has to be 2, and the reply shows 1")
def a_fence_given_again_after_a_release(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.release(1.5, "a", 1)
    tale.claim(2, "b", fence=1)


@bad("its attempt has to be 2, and the reply shows 1")
def an_attempt_that_is_not_charged(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a")
    tale.claim(2.5, "b", attempt=1)


@bad("cannot be")
def more_attempts_than_it_has(tale):
    """Whatever came of the rescue, the job has failed."""
    tale.enqueue(0, parts={"max_attempts": 1})
    tale.claim(1, "a")
    tale.rescue(2.1, answer="unknown")
    tale.claim(2.5, "b", version=3)


@bad("not due yet")
def a_claim_before_it_is_due(tale):
    tale.enqueue(0, parts={"kind": "scheduled", "due": moment(5)})
    tale.claim(4.999_999, "a", took=0.1)


@bad("not due yet")
def a_claim_before_the_retry(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, kind="awaiting_retry", due=moment(9))
    tale.claim(3, "b")


@bad("it is succeeded")
def a_claim_of_a_finished_job(tale):
    finished(tale)
    tale.claim(2, "b")


@bad("it is deleted")
def a_claim_of_a_cancelled_job(tale):
    tale.enqueue(0)
    tale.cancel(1)
    tale.claim(2, "b")


@bad("'b' holds it")
def a_claim_of_a_locked_job(tale):
    tale.enqueue(0)
    tale.lock(1, "b", lease=30)
    tale.claim(2, "a")


@bad("nobody had enqueued it")
def a_claim_of_what_nobody_enqueued(tale):
    tale.enqueue(0, "k")
    tale.claim(1, "a", "j")


@bad("nobody had enqueued it")
def a_claim_before_the_enqueue(tale):
    tale.enqueue(5)
    tale.claim(1, "a")


@bad("'a' runs it|fence")
def one_unknown_claim_is_not_two(tale):
    tale.enqueue(0)
    tale.claim(1, "a", answer=None)
    tale.rescue(3, answer=None)
    tale.rescue(5, answer=None)
    tale.claim(9, "b", version=5, fence=3, attempt=3)


@bad("cannot be")
def an_unknown_rescue_cannot_have_been_early(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.rescue(2, answer=None)
    tale.claim(3, "b", version=3)


# -- ends of claims --------------------------------------------------------------------------------


@bad("the finish .* cannot be: its last claim is that of 'b' by fence 2")
def a_stale_finish_that_is_accepted(tale):
    lapsed(tale)
    tale.end(3, "a", 1)


@bad("its last claim is that of 'a' by fence 1")
def a_finish_by_another_worker(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "b", 1)


@bad("never claimed so")
def a_finish_of_what_was_never_claimed(tale):
    tale.enqueue(0)
    tale.end(1, "a", 1)


@bad("it is enqueued already")
def a_finish_after_the_rescue(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a")
    tale.end(3, "a", 1)


@bad("it is deleted already")
def a_cancelled_run_that_succeeds(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.cancel(1.2)
    tale.end(1.5, "a", 1)


@bad("it is deleted already")
def a_cancelled_run_whose_first_end_is_accepted(tale):
    """Even if it says the same: it ends the lease, and is refused."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.cancel(1.2)
    tale.end(1.5, "a", 1, kind="deleted", result="", answer="again")


@bad("it is succeeded already")
def another_outcome_for_the_same_claim(tale):
    finished(tale)
    tale.end(1.7, "a", 1, result="2")


@bad("its version has to be 2, and the reply shows 3")
def a_finish_recorded_twice(tale):
    finished(tale)
    tale.end(1.7, "a", 1)


@bad("the claim still holds the job")
def a_finish_refused_to_the_holder(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, answer="lost")


@bad("may send that again")
def a_repeated_finish_that_is_refused(tale):
    finished(tale)
    tale.end(1.7, "a", 1, answer="lost")


@bad("its attempt has to be 0, and the reply shows 1")
def a_release_that_is_charged(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.release(1.5, "a", 1, attempt=1)


@bad("it is succeeded, and nobody runs it|its outcome")
def two_unknown_finishes_that_cannot_both_be(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, answer="unknown", result="1")
    tale.end(1.6, "a", 1, answer="unknown", result="2")
    tale.shown("j", 1.5, {"kind": "succeeded", "outcome": "1"}, version=1)
    tale.read(3, outcome="1")
    tale.read(4, outcome="2")


@bad("has to be")
def an_outcome_that_is_there_before_it_was_sent(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.read(1.2, kind="succeeded", version=2, outcome="1", worker=None)
    tale.end(1.5, "a", 1, answer="unknown")


# -- leases and locks ------------------------------------------------------------------------------


@bad("the lease of 'a' has not lapsed")
def a_rescue_of_the_living(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(1.999_999, "a")


@bad("the lease of 'a' has not lapsed")
def a_rescue_of_who_has_renewed(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.renew(1.8, "a", 1)
    tale.rescue(2.5, "a")


@bad("it is succeeded, and nobody runs it")
def a_rescue_of_a_finished_job(tale):
    finished(tale)
    tale.rescue(5, "a")


@bad("after attempt 1 of 1 it became enqueued")
def a_rescue_beyond_the_last_attempt(tale):
    tale.enqueue(0, parts={"max_attempts": 1})
    tale.claim(1, "a")
    tale.rescue(2.1, "a")


@bad("after attempt 1 of 3 it became failed")
def a_rescue_that_fails_too_early(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a", kind="failed")


@bad("its attempt has to be 1, and the reply shows 0")
def an_uncharged_rescue_of_what_may_have_run(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a", attempt=0)


@bad("'a' runs it, and it was taken from 'b'")
def a_rescue_from_somebody_else(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "b")


@bad("the claim is over: the job is succeeded")
def a_renewal_after_the_finish(tale):
    finished(tale)
    tale.renew(1.7, "a", 1)


@bad("the claim is over: the job is deleted")
def a_renewal_of_a_cancelled_run_that_another_has_locked(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.cancel(1.2)
    tale.lock(5, "b", lease=30)
    tale.renew(6, "a", 1)


@bad("the claim is over: the job is enqueued")
def a_renewal_of_a_run_that_an_update_ended(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.update(1.2, kind="enqueued", worker=None, due=0)
    tale.renew(1.5, "a", 1)


@bad("the last claim is that of 'b' by fence 2")
def a_renewal_by_a_stale_hand(tale):
    lapsed(tale)
    tale.renew(2.6, "a", 1)


@bad("the claim still holds the job")
def a_renewal_refused_to_the_holder(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.renew(1.5, "a", 1, held=False)


@bad("its version has to be 2, and the reply shows 1")
def a_lock_over_its_own_lapsed_claim_that_raises_no_fence(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.lock(5, "a")
    tale.read(6)


@bad("'a' holds it")
def a_lock_on_what_another_runs(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.lock(2, "b")


@bad("nobody holds it")
def a_lock_refused_for_nothing(tale):
    tale.enqueue(0)
    tale.lock(2, "b", held=False)


@bad("not held by that worker")
def a_stranger_lets_go(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.unlock(2, "b")


@bad("by fence 2")
def a_finish_by_a_hand_that_a_lock_made_stale(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.lock(5, "b")
    tale.end(6, "a", 1)


# -- other hands, and the store --------------------------------------------------------------------


@bad("was acknowledged, and is lost")
def an_acknowledged_job_that_is_lost(tale):
    tale.enqueue(0)
    tale.final(9)


@bad("was acknowledged, and is lost")
def a_job_that_stood_in_the_way_and_is_lost(tale):
    tale.enqueue(0, answer="unknown")
    tale.enqueue(1, answer="exists")
    tale.final(9)


@bad("the final .* cannot be: its state has to be succeeded")
def a_finish_acknowledged_and_not_in_the_store(tale):
    finished(tale)
    tale.final(9, "j", kind="processing", version=1, outcome="", worker="a")


@bad("its outcome has to be 1, and the reply shows 2")
def another_result_in_the_store(tale):
    finished(tale)
    tale.final(9, "j", outcome="2")


@bad("is not there, and job j of the same call is")
def half_a_batch(tale):
    tale.enqueue(0, "j", "k", answer=None)
    tale.final(9, "j")


@bad("nobody had enqueued it")
def half_of_a_refused_batch(tale):
    tale.enqueue(0, "j")
    tale.enqueue(1, "j", "k", answer="exists")
    tale.told["k"] = tale.fresh("k", seq=2)
    tale.final(9, "j", "k")


@bad("it is stored already")
def an_id_stored_twice(tale):
    tale.enqueue(0)
    tale.enqueue(1)


@bad("it is not stored")
def a_refusal_by_what_is_not_there(tale):
    tale.enqueue(0)
    tale.delete(1)
    tale.enqueue(2, answer="exists")


@bad("it is stored, and enqueued")
def a_read_that_misses_it(tale):
    tale.enqueue(0)
    tale.read(1, shown=False)


@bad("its worker has to be a, and the reply shows b")
def a_read_that_shows_another_worker(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.read(1.5, worker="b")


@bad("its state has to be succeeded, and the reply shows enqueued")
def a_read_that_goes_back(tale):
    finished(tale)
    tale.read(2)
    tale.read(3, kind="enqueued", version=0, fence=0, attempt=0, outcome="")


@bad("it is deleted, and cannot be retried")
def a_cancelled_job_that_is_retried(tale):
    tale.enqueue(0)
    tale.cancel(1)
    tale.retry(2)


@bad("it is enqueued, and can be cancelled")
def a_cancel_that_is_refused(tale):
    tale.enqueue(0)
    tale.cancel(1, answer="invalid")


@bad("another version is stored")
def an_update_of_a_stale_copy(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.update(1.5, version=0)


@bad("the version that was changed is stored")
def an_update_refused_for_nothing(tale):
    tale.enqueue(0)
    tale.update(1.5, answer="stale")


@bad("it is not stored")
def a_removed_job_that_stays(tale):
    tale.enqueue(0)
    tale.delete(1)
    tale.told["j"] = tale.fresh("j", seq=1)
    tale.final(9, "j")


@bad("was acknowledged, and is lost")
def a_purge_before_its_time(tale):
    finished(tale)
    tale.purge(2, 1, kept=60.0)
    tale.final(3)


@bad("the final .* cannot be: it is stored, and succeeded")
def a_purge_of_one_that_finished_just_now(tale):
    tale.enqueue(0)
    tale.claim(8, "a")
    tale.end(8.5, "a", 1)
    tale.purge(10, 1, kept=5.0)
    tale.final(11)


@bad("the storage's clock showed q and r times 3.000 s apart")
def clocks_that_differ(tale):
    tale.enqueue(0)
    tale.rescue(1, process="q", took=0.02)
    tale.call(1.2, "rescue", None, [], process="r", ahead=3)


@bad("the final at .* cannot be: it is stored, and enqueued")
def a_store_that_misses_what_was_read(tale):
    tale.enqueue(0, answer="unknown")
    tale.read(1)
    tale.final(9)


@bad("the claim still holds the job")
def a_release_refused_to_the_holder(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.release(1.5, "a", 1, answer="lost")


@bad("that worker holds it")
def a_holder_that_cannot_let_go(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.unlock(2, "a", done=False)


@bad("the lease of 'a' has not lapsed")
def the_claims_of_another_were_ended(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.end_claims(2, "b")
    tale.rescue(3, "a")


@bad("the lease of 'a' has not lapsed")
def no_claim_was_there_to_end(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.end_claims(2, "a", 0)
    tale.rescue(3, "a")


@bad("the lease of 'a' has not lapsed")
def a_rescue_before_the_claims_were_ended(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.rescue(2, "a")
    tale.end_claims(3, "a")


@bad("the lease of 'a' has not lapsed")
def a_claim_after_the_claims_were_ended(tale):
    tale.enqueue(0)
    tale.end_claims(1, "a")
    tale.claim(2, "a", lease=30)
    tale.rescue(3, "a")


@bad("the lease of 'a' has not lapsed")
def a_claim_renewed_after_it_was_ended(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.end_claims(2, "a")
    tale.renew(3, "a", 1, lease=30)
    tale.rescue(4, "a")


@bad("'a' runs it by fence 1")
def an_ended_claim_that_nobody_rescued(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.end_claims(2, "a")
    tale.claim(3, "b")


@bad("given twice at once, to 'a' and to 'b'")
def two_claims_and_the_second_is_ended(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.claim(2, "b", lease=30)
    tale.end_claims(2, "b", took=1)


@bad("'a' holds it")
def the_lock_of_one_whose_claims_were_ended(tale):
    tale.enqueue(0)
    tale.lock(1, "a", lease=30)
    tale.end_claims(2, "a")
    tale.lock(3, "b")


@bad("it is deleted already")
def a_job_cancelled_twice(tale):
    tale.enqueue(0)
    tale.cancel(1)
    tale.cancel(2)


@bad("the cancel .* cannot be: it is stored")
def a_cancel_that_misses_the_job(tale):
    tale.enqueue(0)
    tale.cancel(1, answer="absent")


@bad("the retry .* cannot be: it is stored")
def a_retry_that_misses_the_job(tale):
    tale.enqueue(0)
    tale.retry(1, answer="absent")


@bad("the retry .* cannot be: it is failed")
def a_retry_refused_to_a_failed_job(tale):
    tale.enqueue(0, parts={"kind": "failed", "due": None})
    tale.retry(1, answer="invalid")


@bad("the retry .* cannot be: it is enqueued")
def a_key_in_the_way_of_a_job_that_needs_no_retry(tale):
    tale.enqueue(0)
    tale.retry(1, answer="taken")


@bad("the update .* cannot be: it is stored")
def an_update_that_misses_the_job(tale):
    tale.enqueue(0)
    tale.update(1, answer="absent")


@bad("the delete .* cannot be: it is not stored")
def a_job_removed_twice(tale):
    tale.enqueue(0)
    tale.delete(1)
    tale.delete(2)


@bad("the delete .* cannot be: it is stored")
def a_delete_that_misses_the_job(tale):
    tale.enqueue(0)
    tale.delete(1, done=False)


# -- the whole -------------------------------------------------------------------------------------


def test_what_is_left_over_counts_when_all_was_to_be_done():
    tale = Tale()
    tale.enqueue(0, "j")
    tale.enqueue(0.1, "later", parts={"kind": "scheduled", "due": moment(1e6)})
    tale.final(9, "j", "later")
    assert tale.faults() == []
    assert tale.faults(drained=True) == ["job j was left enqueued"]


@pytest.mark.parametrize("tail", ["lost", "refused"])
def test_calls_that_nobody_heard_of_do_not_hide_a_fault(tail):
    """However many there are: what they cannot have done is decided without trying all orders."""
    tale = Tale()
    tale.enqueue(0)
    for number in range(100):
        tale.claim(1, f"dead{number}", answer=None)
        tale.rescue(1, answer=None)
    if tail == "lost":
        tale.final(9)
    else:
        tale.claim(20, "a", lease=1000)
        tale.renew(21, "a", 1, held=False)
    verdict = tale.judge()
    assert verdict.undecided == 0
    [fault] = verdict.faults
    assert "cannot be: " in fault


def test_the_story_tells_what_is_needed_and_nothing_else():
    tale = Tale()
    tale.enqueue(0)
    tale.read(0.5)
    tale.claim(1, "a", lease=30)
    tale.renew(1.1, "a", 1, lease=30)
    tale.read(1.2)
    tale.claim(2, "b")
    tale.read(2.5)
    tale.end(3, "b", 2)
    [fault] = tale.faults()
    first, *story, why = fault.splitlines()
    assert first == "job j was given twice at once, to 'a' and to 'b'"
    assert [line.split(":")[1].split()[0] for line in story] == ["claim", "claim"]
    assert why == "  the claim at 2.000000 s cannot be: 'a' runs it by fence 1"


def test_every_job_is_named_and_the_rest_is_counted():
    tale = Tale()
    for number in range(30):
        tale.enqueue(0, f"{number}")
        tale.claim(1, "a", f"{number}")
        tale.claim(1.1, "b", f"{number}")
    tale.enqueue(2, "fine")
    verdict = tale.judge()
    assert len(verdict.faults) == 30
    assert (verdict.jobs, verdict.claims, verdict.finishes) == (31, 60, 0)
    assert (verdict.operations, verdict.unknown, verdict.processes) == (91, 0, 1)


def test_the_queue_alone_sees_the_worst():
    """Without the search for an order: each by its own few lines."""
    seen = set()
    for tell, _ in BAD:
        tale = Tale()
        tell(tale)
        operations = split(tale.calls, micros(0.2))
        seen |= {words.split(",")[0] for _, words in queue.faults(operations, drained=False)}
    assert {
        "was acknowledged",
        "is there",
        "is not there",
        "was given twice with fence 1",
        "was given twice at once",
        "was finished by 'a' with fence 1",
    } <= seen


# -- expiry --------------------------------------------------------------------------------------


@bad("it is processing, and does not wait")
def an_expiry_of_a_running_job(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.expire(2)
    tale.final(9, "j")


@bad("is there, and nobody had enqueued it")
def a_follower_from_nowhere(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, kind="failed", result='"no"')
    tale.told["after j"] = tale.fresh("after j", seq=2)
    tale.claim(2, "a", "after j")
