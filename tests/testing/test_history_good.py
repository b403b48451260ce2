"""Histories that look odd, and that the contract allows: the checker lets them pass."""

import pytest

from qml.testing.history.facts import Facts
from tests.testing.history_tales import EPOCH, Tale, moment

GOOD = []


def good(tell):
    """A history that is allowed; ``tell`` tells it."""
    GOOD.append(tell)
    return tell


@pytest.mark.parametrize("tell", GOOD, ids=lambda tell: tell.__name__)
def test_passes(tell):
    tale = Tale()
    tell(tale)
    verdict = tale.judge()
    assert verdict.faults == []
    assert verdict.undecided == 0


@good
def one_run(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1)
    tale.final(9, "j")


@good
def nothing_at_all(tale):
    tale.rescue(1)


@good
def an_unknown_enqueue_that_is_there(tale):
    tale.enqueue(0, answer=None)
    tale.claim(1, "a")


@good
def an_unknown_enqueue_that_is_not_there(tale):
    tale.enqueue(0, "j", "k", answer="unknown")
    tale.final(9)


@good
def an_unknown_enqueue_that_takes_effect_late(tale):
    tale.enqueue(0, answer=None)
    tale.read(1, shown=False)
    tale.claim(2, "a")


@good
def an_unknown_enqueue_made_again_and_taken(tale):
    tale.enqueue(0, answer="unknown")
    tale.enqueue(1)
    tale.claim(2, "a")


@good
def an_unknown_enqueue_made_again_and_refused(tale):
    tale.enqueue(0, answer="unknown")
    tale.enqueue(1, answer="exists")
    tale.claim(2, "a")


@good
def a_batch_is_refused_for_one_of_its_jobs(tale):
    tale.enqueue(0, "j")
    tale.enqueue(1, "j", "k", answer="exists")
    tale.final(9, "j")


@good
def an_unknown_finish_and_then_a_rescue(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, answer=None)
    tale.rescue(2.1, "a")
    tale.claim(2.2, "b")
    tale.end(2.5, "b", 2)
    tale.final(9, "j")


@good
def an_unknown_finish_that_was_one(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, answer="unknown")
    tale.shown("j", 1.5, {"kind": "succeeded", "outcome": "1"}, version=1)
    tale.read(2)
    tale.final(9, "j")


@good
def of_two_unknown_finishes_the_second_counts(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, answer="unknown", result="1")
    tale.end(1.7, "a", 1, answer="unknown", result="2")
    tale.shown("j", 1.7, {"kind": "succeeded", "outcome": "2"}, version=1)
    tale.final(9, "j")


@good
def the_same_finish_twice(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1)
    tale.end(1.6, "a", 1, answer="again")
    tale.end(1.7, "a", 1, answer="lost", result="another")


@good
def a_running_job_is_cancelled(tale):
    """Its lease stays, and can be renewed, until the run has ended."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.cancel(1.2)
    tale.renew(1.5, "a", 1)
    tale.end(1.7, "a", 1, answer="lost")
    tale.renew(1.8, "a", 1, held=False)
    tale.final(9, "j")


@good
def a_cancelled_run_says_so_itself(tale):
    """Its first end is refused and ends the lease; the second says what is stored already."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.cancel(1.2)
    tale.end(1.5, "a", 1, kind="deleted", result="", answer="lost")
    tale.end(1.6, "a", 1, kind="deleted", result="", answer="again")


@good
def an_unknown_cancel(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.cancel(1.2, answer="unknown")
    tale.end(1.7, "a", 1, answer="lost")
    tale.shown("j", 1.5, {"kind": "deleted"}, version=1)
    tale.final(9, "j")


@good
def a_release_is_not_charged(tale):
    tale.enqueue(0)
    for fence in range(1, 9):
        tale.claim(fence, "a")
        tale.release(fence + 0.5, "a", fence)


@good
def an_unknown_release(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.release(1.5, "a", 1, answer=None)
    tale.claim(1.6, "b", version=3, attempt=1)


@good
def a_renewal_after_the_lapse(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.renew(7, "a", 1)
    tale.end(9, "a", 1)


@good
def an_unknown_renewal_that_was_none(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.renew(1.5, "a", 1, lease=30, answer=None)
    tale.rescue(2.01, "a")


@good
def an_unknown_renewal_that_was_one(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.renew(1.5, "a", 1, lease=30, answer=None)
    tale.lock(5, "b", held=False)


@good
def a_rescue_and_a_finish_at_once(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a", took=1)
    tale.end(2.2, "a", 1, answer="lost")


@good
def a_claim_that_waited_for_the_store(tale):
    """It read the clock while the lease lasted, and came to its turn after a rescue."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.05, "a", took=0.05)
    tale.claim(1.9, "b", took=0.3)


@good
def a_read_a_rescue_and_a_claim_at_once(tale):
    """In this order, though their replies came in another."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.read(2.1, took=0.9)
    tale.rescue(2.2, "a", took=0.9)
    tale.claim(2.5, "b", took=0.1)


@good
def many_calls_that_nobody_heard_of(tale):
    """Any of them may have been about this job, but its versions leave room for one only."""
    tale.enqueue(0)
    for number in range(40):
        tale.claim(1, f"dead{number}", lease=1 + number / 100, answer=None)
        tale.rescue(1, answer=None)
    for fence in range(1, 9):
        tale.claim(10 * fence, "a")
        tale.release(10 * fence + 0.5, "a", fence, answer=None)
        tale.shown("j", 10 * fence + 0.5, {"kind": "enqueued", "due": 0}, version=1, attempt=-1)


@good
def a_claim_that_nobody_heard_of(tale):
    tale.enqueue(0)
    tale.claim(1, "a", answer=None)
    tale.rescue(2.1, "a", version=2, fence=1, attempt=1)
    tale.claim(2.2, "b")


@good
def of_two_claims_that_nobody_heard_of_the_second(tale):
    tale.enqueue(0)
    tale.claim(1, "dead", answer=None)
    tale.claim(1.1, "a", answer=None)
    tale.rescue(3, "a", version=2, fence=1, attempt=1)


@good
def a_claim_and_a_rescue_that_nobody_heard_of(tale):
    tale.enqueue(0)
    tale.claim(1, "a", answer=None)
    tale.rescue(2.1, answer=None)
    tale.claim(4, "b", version=3, fence=2, attempt=2)


@good
def a_hand_is_stale_and_nobody_heard_why(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, answer=None)
    tale.claim(2.2, "b", answer=None)
    tale.end(3, "a", 1, answer="lost")
    tale.renew(3.1, "a", 1, held=False)


@good
def a_rescue_that_fails_the_job(tale):
    tale.enqueue(0, parts={"max_attempts": 1})
    tale.claim(1, "a")
    tale.rescue(2.1, "a", kind="failed")
    tale.final(9, "j")


@good
def a_job_claimed_ahead_is_given_back_uncharged(tale):
    tale.enqueue(0, parts={"max_attempts": 1})
    tale.claim(1, "a", ahead=True)
    tale.rescue(2.1, "a", attempt=0)
    tale.claim(3, "b")


@good
def an_unknown_rescue_of_a_job_claimed_ahead(tale):
    tale.enqueue(0)
    tale.claim(1, "a", ahead=True)
    tale.rescue(2.1, answer=None)
    tale.claim(3, "b", version=3, attempt=1)


@good
def a_renewal_for_a_shorter_time(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.renew(1.1, "a", 1, lease=0.5)
    tale.rescue(2, "a")
    tale.claim(2.5, "b")


@good
def a_batch_with_an_id_twice(tale):
    tale.enqueue(0, "j", "j", answer="exists")
    tale.final(9)


@good
def an_id_used_again(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.delete(1.2)
    tale.end(1.5, "a", 1, answer="lost")
    tale.enqueue(2, parts={})
    tale.claim(3, "b")
    tale.end(3.5, "b", 1)


@good
def an_id_used_again_after_an_unknown_release(tale):
    """Its versions begin anew, and say nothing about those before."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.release(1.5, "a", 1, answer=None)
    tale.claim(1.6, "b", version=3, attempt=1)
    tale.delete(2)
    tale.enqueue(3)
    tale.claim(4, "a")


@good
def an_unknown_delete(tale):
    tale.enqueue(0)
    tale.delete(1, done=None, answer=None)
    tale.read(2)
    tale.read(3, shown=False)


@good
def a_stale_release(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2.1, "a")
    tale.claim(3, "b")
    tale.release(3.5, "a", 1, answer="lost")


@good
def an_unknown_lock(tale):
    tale.enqueue(0)
    tale.lock(1, "b", lease=30, held=None, answer=None)
    tale.lock(3, "c", held=False)


@good
def an_unknown_unlock(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.unlock(2, "a", done=None, answer=None)
    tale.rescue(3, "a")


@good
def an_unknown_retry(tale):
    tale.enqueue(0, parts={"kind": "failed", "due": None})
    tale.retry(1, answer="unknown")
    tale.claim(2, "a", version=2)


@good
def a_retry_with_another_job_in_the_way(tale):
    tale.enqueue(0, parts={"kind": "failed", "due": None})
    tale.retry(1, answer="taken")
    tale.retry(2)


@good
def a_job_that_is_gone(tale):
    tale.enqueue(0)
    tale.delete(1)
    tale.cancel(2, answer="absent")
    tale.told["j"] = tale.fresh("j")
    tale.update(3, answer="absent")
    tale.delete(4, done=False)


@good
def a_purge_of_something(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1)
    tale.purge(9, 1)
    tale.read(9.5, shown=False)
    tale.final(9.9)


@good
def a_lock_and_a_claim_by_its_holder(tale):
    tale.enqueue(0)
    tale.lock(1, "a", lease=30)
    tale.lock(2, "b", held=False)
    tale.claim(3, "a")


@good
def a_lock_over_a_lapsed_claim(tale):
    """It raises fence and version; what the old hand sends is refused."""
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.lock(5, "b")
    tale.end(5.1, "a", 1, answer="lost")
    tale.renew(5.2, "a", 1, held=False)
    tale.read(5.3, version=2, fence=2, worker="b")


@good
def a_lease_let_go_early(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.unlock(2, "a")
    tale.rescue(3, "a")
    tale.claim(4, "b")


@good
def the_claims_of_a_dead_worker_are_ended(tale):
    tale.enqueue(0, "j", "k")
    for job in "jk":
        tale.claim(1, "a", job, lease=30)
    tale.end_claims(2, "a", 2)
    for job in "jk":
        tale.rescue(3, "a", job)
        tale.claim(4, "b", job)


@good
def an_unknown_end_of_claims(tale):
    tale.enqueue(0, "j", "k")
    for job in "jk":
        tale.claim(1, "a", job, lease=30)
    tale.end_claims(2, "a", answer=None)
    tale.rescue(3, "a", "j")
    tale.lock(3, "b", "k", held=False)


@good
def an_ended_claim_holds_its_job_until_it_is_rescued(tale):
    tale.enqueue(0, "j", "k", "l")
    for job in "jkl":
        tale.claim(1, "a", job, lease=30)
    tale.end_claims(2, "a", 3)
    tale.renew(3, "a", 1, "j", lease=30)
    tale.lock(4, "b", "j", held=False)
    tale.end(4, "a", 1, "k")
    tale.lock(3, "b", "l")
    tale.end(4, "a", 1, "l", answer="lost")


@good
def the_lock_of_a_dead_worker_stays(tale):
    tale.enqueue(0)
    tale.lock(1, "a", lease=30)
    tale.end_claims(2, "a", 4)
    tale.lock(3, "b", held=False)


@good
def of_claims_that_nobody_heard_of_those_of_the_dead_are_ended(tale):
    """A rescue does not tell from whom it took a job that was claimed ahead."""
    tale.enqueue(0)
    tale.claim(1, "lives", lease=30, answer=None)
    tale.claim(1.1, "dead", lease=30, answer=None)
    tale.end_claims(2, "stranger")
    tale.end_claims(2.1, "dead")
    tale.rescue(3, "dead", version=2, fence=1, attempt=0, lost_by=None)


@good
def a_lock_that_lapsed_cannot_be_let_go(tale):
    tale.enqueue(0)
    tale.lock(1, "a")
    tale.unlock(5, "a", done=False)


@good
def a_failed_job_is_retried(tale):
    tale.enqueue(0, parts={"max_attempts": 1})
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, kind="failed")
    tale.retry(3, max_attempts=2)
    tale.claim(4, "b")


@good
def a_retry_is_refused(tale):
    tale.retry(0, answer="absent")
    tale.enqueue(1)
    tale.retry(2, answer="invalid")
    tale.cancel(3)
    tale.cancel(4, answer="invalid")


@good
def an_update_of_a_running_job(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.update(1.2)
    tale.update(1.3, version=1, answer="stale")
    tale.renew(1.4, "a", 1)
    tale.end(1.5, "a", 1)


@good
def an_update_that_begins_to_process(tale):
    tale.enqueue(0)
    rises = {"fence": 1, "attempt": 1}
    tale.update(1, kind="processing", worker="a", due=None, until=moment(31), rises=rises)
    tale.rescue(2)
    tale.end(3, "a", 1)


@good
def an_unknown_update(tale):
    tale.enqueue(0)
    tale.update(1, kind="scheduled", due=moment(5), answer="unknown")
    tale.claim(6, "a", version=2)


@good
def a_read_beside_a_finish_sees_the_job_before_it(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.read(1.5, took=0.5)
    tale.end(1.6, "a", 1)


@good
def its_own_hand_sends_it_back_beyond_its_attempts(tale):
    """A snooze, or a task that the worker does not know: the server decides, not the store."""
    tale.enqueue(0, parts={"max_attempts": 1})
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, kind="awaiting_retry", due=moment(2))
    tale.claim(2, "a")


@good
def a_claim_at_the_very_moment_it_is_due(tale):
    tale.enqueue(0, parts={"kind": "scheduled", "due": moment(5)})
    tale.claim(5, "a")


@good
def a_rescue_at_the_very_moment_of_the_lapse(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.rescue(2, "a")


@good
def a_job_stored_as_processing(tale):
    tale.enqueue(0, parts={"kind": "processing", "worker": "a", "until": moment(30), "due": None})
    tale.end(1, "a", 0)


@good
def clocks_a_little_apart(tale):
    tale.enqueue(0)
    tale.rescue(1, process="q", took=0.02)
    tale.call(1.2, "rescue", None, [], process="r", ahead=0.15)


@good
def a_call_with_something_wrong_in_it(tale):
    tale.call(0, "enqueue", [tale.fresh("j")], answer="nothing")
    tale.call(1, "finish", [[["j", None, 0, 1], "succeeded", "1", None]], answer="invalid")
    tale.final(9)


def test_facts_are_written_as_they_are_read():
    """A list in JSON, so a field in another place would be another fact."""
    assert Facts._fields[:5] == ("id", "kind", "version", "attempt", "fence")
    assert moment(0) == EPOCH


@good
def a_job_that_was_not_started_in_time(tale):
    tale.enqueue(0)
    tale.expire(1)
    tale.claim(2, "a", answer="unknown")
    tale.final(9, "j")


@good
def a_claim_that_comes_upon_what_was_not_started_in_time(tale):
    tale.enqueue(0)
    tale.expire(1, verb="claim", claimed=True)
    tale.read(2)


@good
def an_unknown_expiry(tale):
    tale.enqueue(0)
    tale.expire(1, answer="unknown")
    tale.shown("j", 1, {"kind": "deleted"}, version=1)
    tale.final(9, "j")


@good
def an_unknown_cancel_in_bulk(tale):
    tale.enqueue(0)
    tale.call(1, "cancel_many", None, answer="unknown")
    tale.shown("j", 1, {"kind": "deleted"}, version=1)
    tale.final(9, "j")


@good
def an_unknown_retry_in_bulk(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, kind="failed", result='"no"')
    tale.call(2, "retry_many", None, answer="unknown")
    tale.shown("j", 2, {"kind": "enqueued", "due": 0}, version=1)
    tale.claim(3, "a")


@good
def a_job_that_follows_on_a_failure(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1, kind="failed", result='"no"')
    tale.calls[-1].reply["also"] = [["enqueue", tale.fresh("after j")]]
    tale.told["after j"] = tale.fresh("after j", seq=2)
    tale.claim(2, "a", "after j")


@good
def a_lock_that_makes_a_lease_shorter(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.lock(2, "a", lease=1)
    tale.rescue(4, "a")
    tale.claim(5, "b")


@good
def purged_again_under_the_same_id(tale):
    tale.enqueue(0, parts={"kind": "succeeded", "due": None})
    tale.purge(2, 1, kept=1)
    tale.enqueue(3, parts={"kind": "succeeded", "due": None})
    tale.purge(5, 1, kept=1)
    tale.lock(6, "a", held=False)
