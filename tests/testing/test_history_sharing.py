"""Histories made by hand of what jobs share: limits, rates, pauses, batches, keys, transactions."""

import re

import pytest

from qml.testing.history import queue, sharing, uniqueness
from qml.testing.history.facts import Ties
from qml.testing.history.splitting import split
from tests.testing.history_tales import Tale, micros, moment

GOOD, BAD = [], []

ONE = {"ties": Ties(key="one", limit=1)}
TWO = {"ties": Ties(key="one", limit=2)}
PACED = {"ties": Ties(pace="p", gap=micros(10), burst=2)}
MAIL = {"queue": "mail"}
MEMBER = {"ties": Ties(batch="n")}
CHILD = {"ties": Ties(after=("j",)), "kind": "scheduled", "due": moment(0)}
LAST = {"ties": Ties(after_batch="n"), "kind": "scheduled", "due": moment(0)}
UNIQUE = {"ties": Ties(unique="k")}
QUEUED = {"ties": Ties(unique="k", while_queued=True)}
TAKEN = {"ties": Ties(key="one", limit=1), "outcome": '"twin"'}


def good(tell):
    GOOD.append(tell)
    return tell


def bad(why):
    def keep(tell):
        BAD.append((tell, why))
        return tell

    return keep


def told(tell):
    tale = Tale()
    tell(tale)
    return tale


@pytest.mark.parametrize("tell", GOOD, ids=lambda tell: tell.__name__)
def test_is_accepted(tell):
    verdict = told(tell).judge()
    assert (verdict.faults, verdict.undecided) == ([], 0)


@pytest.mark.parametrize(("tell", "why"), BAD, ids=lambda part: getattr(part, "__name__", ""))
def test_is_rejected(tell, why):
    faults = told(tell).faults()
    assert [fault for fault in faults if re.search(why, fault)], faults


# -- limits ----------------------------------------------------------------------------------------


def two_jobs(tale, first=ONE, second=None):
    tale.enqueue(0, "i", parts=first)
    tale.enqueue(0.1, "j", parts=second or first)


@bad("job j had a permit of 'one', of which too many lived at once: i, j")
def two_live_under_a_limit_of_one(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.claim(2, "b", "j", lease=30)


@bad("too many lived at once: i, j")
def two_at_the_same_moment(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30, took=1)
    tale.claim(1.5, "b", "j", lease=30, took=1)


@bad("too many lived at once: i, j")
def two_of_one_claim(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    call = tale.calls[-1]
    tale.claim(1, "a", "j", lease=30)
    tale.calls[-2:] = [call._replace(reply={"told": [*call.reply["told"], tale.told["j"]]})]


@bad("too many lived at once: i, j, k")
def three_under_a_limit_of_two(tale):
    two_jobs(tale, TWO)
    tale.enqueue(0.2, "k", parts=TWO)
    for at, job in enumerate("ijk", 1):
        tale.claim(at, "a", job, lease=30)


@bad("too many lived at once: i, j")
def the_lower_limit_came_last(tale):
    two_jobs(tale, TWO, ONE)
    tale.claim(1, "a", "i", lease=30)
    tale.claim(2, "b", "j", lease=30)


@good
def the_higher_limit_came_last(tale):
    two_jobs(tale, ONE, TWO)
    tale.claim(1, "a", "i", lease=30)
    tale.claim(2, "b", "j", lease=30)
    tale.renew(3, "a", 1, "i", lease=30)


@bad("too many lived at once: i, j")
def a_lapsed_claim_renewed_while_another_has_its_permit(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=1)
    tale.claim(3, "b", "j", lease=30)
    tale.renew(4, "a", 1, "i", lease=30)


@good
def a_dead_worker_gives_its_permit_back(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.end_claims(2, "a")
    tale.claim(3, "b", "j", lease=30)


@bad("too many lived at once: i, j")
def another_died(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.end_claims(2, "c")
    tale.claim(3, "b", "j", lease=30)


@bad("too many lived at once: i, j")
def cancelled_and_running_still(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.cancel(2, "i")
    tale.claim(3, "b", "j", lease=30)


@good
def one_after_the_other(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i")
    tale.end(1.5, "a", 1, "i")
    tale.claim(2, "b", "j")


@good
def the_next_once_the_lease_has_lapsed(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=1)
    tale.claim(2, "b", "j", lease=30)
    tale.renew(3, "a", 1, "i", held=False)
    tale.end(4, "b", 1, "j")
    tale.renew(5, "a", 1, "i")


@bad("the renew .* cannot be: the claim still holds the job")
def a_renewal_refused_without_a_limit(tale):
    tale.enqueue(0, "i")
    tale.claim(1, "a", "i", lease=1)
    tale.renew(3, "a", 1, "i", held=False)


@bad("the renew .* cannot be: the claim still holds the job")
def a_renewal_refused_while_the_claim_lives(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.renew(3, "a", 1, "i", held=False)


@good
def a_lock_refused_over_a_claim_whose_permit_is_gone(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=1)
    tale.claim(3, "b", "j", lease=30)
    tale.lock(4, "a", "i", held=False)


@good
def an_end_whose_reply_is_late(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.end(1.5, "a", 1, "i", took=3)
    tale.claim(2, "b", "j", lease=30)


@good
def an_end_that_nobody_heard_of(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.end(1.5, "a", 1, "i", answer=None)
    tale.claim(2, "b", "j", lease=30)


@good
def removed_while_it_ran(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.delete(2, "i")
    tale.claim(3, "b", "j", lease=30)


@good
def under_another_limit_by_now(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.update(2, "i", ties=None)
    tale.claim(3, "b", "j", lease=30)


@good
def cancelled_and_purged_while_it_ran(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.cancel(2, "i")
    tale.purge(3, 1)
    tale.claim(4, "b", "j", lease=30)


# -- rates -----------------------------------------------------------------------------------------


def paced(tale, *starts):
    for number in range(len(starts)):
        tale.enqueue(0.01 * number, f"{number}", parts=PACED)
    for number, at in enumerate(starts):
        tale.claim(at, "a", f"{number}")


@bad("job 2 was claimed sooner than the rate of 'p' allows")
def three_at_once_where_two_may_be(tale):
    paced(tale, 1, 2, 3)


@bad("job 3 was claimed sooner than the rate of 'p' allows")
def a_burst_that_is_given_twice(tale):
    paced(tale, 1, 2, 11, 12)


@good
def as_fast_as_may_be(tale):
    paced(tale, 1, 2, 11, 21, 50, 50.1)


@good
def a_claim_that_waited_for_the_store(tale):
    """Its clock was read before that of the one before it: a pace that was over was forgotten."""
    paced(tale, 1, 1.1)
    tale.enqueue(2, "late", parts=PACED)
    tale.claim(3, "a", "late", took=20)


# -- queues ----------------------------------------------------------------------------------------


@bad("job j was claimed by 'a' from queue mail, which was paused")
def claimed_from_a_paused_queue(tale):
    tale.enqueue(0, parts=MAIL)
    tale.call(1, "pause", "mail")
    tale.claim(2, "a")
    tale.call(3, "resume", "mail", True)


@bad("from queue mail, which was paused")
def claimed_when_it_was_paused_again(tale):
    tale.enqueue(0, parts=MAIL)
    tale.call(1, "pause", "mail")
    tale.call(2, "resume", "mail", True)
    tale.call(3, "pause", "mail")
    tale.claim(4, "a")


@bad("from queue mail, which was paused")
def a_resume_that_found_no_pause(tale):
    """So the pause came after it."""
    tale.enqueue(0, parts=MAIL)
    tale.call(1, "resume", "mail", False, took=0.5)
    tale.call(1.1, "pause", "mail")
    tale.claim(2, "a")


@good
def claimed_around_a_pause(tale):
    for number, at in enumerate((1, 1.5, 2.5, 4, 5)):
        tale.enqueue(0.01 * number, f"{number}", parts=MAIL)
        tale.claim(at, "a", f"{number}")
    tale.call(1.4, "pause", "mail", took=0.5)
    tale.call(2.4, "resume", "mail", True, took=0.5)
    tale.call(3, "pause", "mail", answer=None)
    tale.enqueue(6, "other", parts={"queue": "other"})
    tale.call(7, "pause", "mail")
    tale.claim(8, "a", "other")


@good
def a_resume_that_nobody_heard_of(tale):
    tale.enqueue(0, parts=MAIL)
    tale.call(1, "pause", "mail")
    tale.call(2, "resume", "mail", answer=None)
    tale.claim(3, "a")


# -- one after the other ---------------------------------------------------------------------------


def family(tale):
    tale.enqueue(0, "j")
    tale.enqueue(0.5, "child", parts=CHILD)


def woken(tale, job="child"):
    tale.told[job] = tale.told[job]._replace(version=1)


@bad("job child was claimed before job j had ended, which it comes after")
def claimed_before_its_parent(tale):
    family(tale)
    woken(tale)
    tale.claim(1, "a", "child")


@bad("job child was claimed before job j had ended, which it comes after")
def claimed_while_its_parent_runs(tale):
    family(tale)
    tale.claim(1, "a", "j", lease=30)
    tale.end(2, "a", 1, "j", kind="awaiting_retry", due=moment(9))
    woken(tale)
    tale.claim(3, "b", "child")


@good
def claimed_after_its_parent(tale):
    family(tale)
    tale.claim(1, "a", "j")
    tale.end(1.5, "a", 1, "j")
    woken(tale)
    tale.claim(2, "b", "child")


@good
def its_parent_had_ended_before(tale):
    tale.enqueue(0, "j")
    tale.claim(1, "a", "j")
    tale.end(1.5, "a", 1, "j")
    tale.enqueue(2, "child", parts=CHILD)
    tale.claim(3, "b", "child")


@good
def told_as_it_is_a_moment_later(tale):
    """Its parent ended, and another claimed it, before the answer to its own enqueue was read."""
    tale.enqueue(0, "j")
    tale.claim(0.5, "a", "j")
    tale.end(1.1, "a", 1, "j")
    tale.enqueue(1, "child", parts=CHILD, took=2)
    woken(tale)
    tale.claim(1.5, "b", "child", lease=9)
    enqueue = tale.calls[-2]
    late = enqueue._replace(reply={"told": [tale.told["child"]]})
    tale.calls[tale.calls.index(enqueue)] = late


@good
def woken_by_hand(tale):
    family(tale)
    tale.retry(1, "child")
    tale.claim(2, "a", "child")


@good
def moved_by_hand(tale):
    family(tale)
    tale.update(1, "child", kind="scheduled", due=moment(2), version=0)
    tale.claim(2, "a", "child")


@good
def changed_while_it_waits(tale):
    family(tale)
    tale.update(1, "child", kind="scheduled", due=moment(0), version=0)
    tale.claim(2, "a", "j")
    tale.end(2.5, "a", 1, "j")
    tale.told["child"] = tale.told["child"]._replace(version=2)
    tale.claim(3, "b", "child")


@good
def not_started_since_its_parent_failed(tale):
    family(tale)
    tale.claim(1, "a", "j")
    tale.end(1.5, "a", 1, "j", kind="failed", result='"no"')
    woken(tale)
    tale.expire(2, "child")


@good
def an_end_of_its_parent_that_nobody_heard_of(tale):
    family(tale)
    tale.claim(1, "a", "j", lease=1)
    tale.rescue(3, answer="unknown")
    woken(tale)
    tale.claim(4, "b", "child")


def batch(tale):
    tale.enqueue(0, "j", parts=MEMBER)
    tale.enqueue(0.5, "last", parts=LAST)


@bad("job last was claimed before job j had ended, which it comes after")
def claimed_before_its_batch_was_over(tale):
    batch(tale)
    woken(tale, "last")
    tale.claim(1, "a", "last")


@bad("the enqueue .* cannot be: it is stored already, and scheduled")
def what_follows_on_a_batch_twice(tale):
    batch(tale)
    tale.enqueue(1, "last", parts=LAST)


@bad("the claim .* cannot be: it is succeeded")
def what_follows_on_a_batch_run_twice(tale):
    batch(tale)
    tale.claim(1, "a", "j")
    tale.end(1.5, "a", 1, "j")
    woken(tale, "last")
    tale.claim(2, "a", "last")
    tale.end(2.5, "a", 1, "last")
    tale.claim(3, "b", "last")


@good
def a_batch_that_goes_on_after_its_end(tale):
    batch(tale)
    tale.claim(1, "a", "j")
    tale.end(1.5, "a", 1, "j")
    tale.enqueue(2, "more", parts=MEMBER)
    woken(tale, "last")
    tale.claim(3, "a", "last")


# -- keys ------------------------------------------------------------------------------------------


def placed(tale, at, policy, job, told, *, also=(), **more):
    given = {"jobs": [tale.fresh(job, **TAKEN)], "on_conflict": policy}
    tale.call(at, "place", given, told, also=also, **more)


def replaced(tale, at, job="j", **changes):
    return tale.shown(job, at, {**TAKEN, "due": 0} | changes, version=1)


@good
def a_holder_that_is_answered(tale):
    tale.enqueue(0)
    placed(tale, 1, "existing", "i", [tale.told["j"]])
    tale.claim(2, "a")


@good
def a_job_that_meets_no_holder(tale):
    tale.told["i"] = tale.fresh("i", seq=1, **TAKEN)
    placed(tale, 1, "existing", "i", [tale.told["i"]], also=[["enqueue", tale.told["i"]]])
    tale.claim(2, "a", "i")


@good
def a_holder_that_is_replaced(tale):
    tale.enqueue(0)
    tale.lock(0.5, "a")
    new = replaced(tale, 1)
    placed(tale, 1, "replace", "i", [new], also=[["replace", new]])
    tale.claim(2, "a")


@good
def replaced_though_the_rest_was_refused(tale):
    tale.enqueue(0)
    new = replaced(tale, 1)
    placed(tale, 1, "replace", "i", "x", also=[["replace", new]], answer="taken")
    tale.claim(2, "a")


@good
def a_replacement_that_nobody_heard_of(tale):
    tale.enqueue(0)
    placed(tale, 1, "replace", "i", None, answer=None)
    replaced(tale, 1)
    tale.claim(2, "a")


@good
def one_of_two_that_nobody_heard_of(tale):
    given = {"jobs": [tale.fresh("i"), tale.fresh("j")], "on_conflict": "existing"}
    tale.call(1, "place", given, answer=None)
    tale.told["i"] = tale.fresh("i", seq=1)
    tale.read(2, "i")
    tale.final(9, "i")


@good
def placed_where_its_id_is_taken(tale):
    tale.enqueue(0)
    placed(tale, 1, "existing", "j", "j", answer="exists")


@bad("the enqueue .* cannot be: it is not stored")
def placed_where_an_id_is_said_to_be_taken(tale):
    placed(tale, 1, "existing", "j", "j", answer="exists")


@bad("the replace .* cannot be: it is processing, and does not wait")
def replaced_while_it_ran(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    new = tale.shown("j", 2, {**TAKEN, "kind": "enqueued", "due": 0}, version=1, attempt=-1)
    placed(tale, 2, "replace", "i", "x", also=[["replace", new]], answer="taken")


@bad("the read .* cannot be: it is not stored")
def a_holder_that_is_not_there(tale):
    tale.enqueue(0)
    tale.delete(1)
    placed(tale, 2, "existing", "i", [tale.fresh("j", seq=1)])


# -- unique keys -----------------------------------------------------------------------------------


HELD = "job j was stored with the unique key 'k', which job i held"


@bad(HELD)
def two_hold_a_key(tale):
    two_jobs(tale, UNIQUE)


@bad(HELD)
def two_of_one_call_hold_a_key(tale):
    tale.enqueue(0, "i", "j", parts=UNIQUE)


@bad(HELD)
def two_hold_a_key_that_were_stored_at_once(tale):
    tale.enqueue(0, "i", parts=UNIQUE, took=1)
    tale.enqueue(0.5, "j", parts=UNIQUE, took=1)


@bad(HELD)
def a_key_is_held_while_its_job_runs(tale):
    tale.enqueue(0, "i", parts=UNIQUE)
    tale.claim(1, "a", "i")
    tale.enqueue(2, "j", parts=UNIQUE)
    tale.end(3, "a", 1, "i")


@bad(HELD)
def a_key_is_held_while_queued(tale):
    two_jobs(tale, QUEUED)
    tale.claim(1, "a", "i")


@bad(HELD)
def the_store_forgets_a_key(tale):
    tale.enqueue(0, "i", parts=UNIQUE)
    tale.enqueue(1, "j", parts=UNIQUE)
    for call in tale.calls:
        call.reply["told"] = [facts._replace(ties=None) for facts in call.reply["told"]]


@good
def a_key_is_free_once_its_job_has_ended(tale):
    tale.enqueue(0, "i", parts=UNIQUE)
    tale.claim(1, "a", "i")
    tale.end(2, "a", 1, "i")
    tale.enqueue(3, "j", parts=UNIQUE)
    tale.cancel(4, "j")
    tale.enqueue(5, "k", parts=UNIQUE)
    tale.delete(6, "k")
    tale.enqueue(7, "l", parts=UNIQUE)


@good
def a_key_may_be_free_where_nobody_heard_of_the_end(tale):
    tale.enqueue(0, "i", parts=UNIQUE)
    tale.claim(1, "a", "i")
    tale.end(2, "a", 1, "i", answer=None)
    tale.enqueue(3, "j", parts=UNIQUE)


@good
def a_key_may_be_free_while_its_job_is_ended(tale):
    tale.enqueue(0, "i", parts=UNIQUE)
    tale.claim(1, "a", "i")
    tale.end(2, "a", 1, "i", took=2)
    tale.enqueue(3, "j", parts=UNIQUE)


@good
def a_key_of_the_queued_is_free_once_its_job_has_begun(tale):
    tale.enqueue(0, "i", parts=QUEUED)
    tale.claim(1, "a", "i")
    tale.enqueue(2, "j", parts=QUEUED)


@good
def who_came_with_its_end_holds_no_key(tale):
    two_jobs(tale, UNIQUE | {"kind": "failed", "due": None}, UNIQUE)


@good
def each_holds_a_key_of_its_own(tale):
    two_jobs(tale, UNIQUE, {"ties": Ties(unique="l")})


# -- transactions ----------------------------------------------------------------------------------


@good
def enqueued_in_a_transaction_that_commits_later(tale):
    tale.call(0, "enqueue_in", [tale.fresh("j")])
    tale.read(1, shown=False)
    tale.told["j"] = tale.fresh("j", seq=1)
    tale.claim(2, "a")


@good
def enqueued_in_a_transaction_that_is_undone(tale):
    tale.call(0, "enqueue_in", [tale.fresh("j")])
    tale.final(9)


@good
def enqueued_in_a_transaction_that_was_undone(tale):
    """What is taken within it was perhaps never there."""
    tale.call(0, "enqueue_in", [tale.fresh("j")])
    tale.call(1, "enqueue_in", [tale.fresh("j")], "j", answer="exists")
    tale.final(9)


@bad("is there, and nobody had enqueued it")
def there_before_the_transaction_began(tale):
    tale.told["j"] = tale.fresh("j", seq=1)
    tale.claim(0, "a")
    tale.call(1, "enqueue_in", [tale.fresh("j")])


@bad("is not there, and job i of the same call is")
def half_of_a_transaction(tale):
    tale.call(0, "enqueue_in", [tale.fresh("i"), tale.fresh("j")])
    tale.told["i"] = tale.fresh("i", seq=1)
    tale.final(9, "i")


def finish_in(tale, at, fence=1, *, told=None, **more):
    given = [["j", "a", fence, 1], "succeeded", "1", None]
    tale.call(at, "finish_in", given, [told], **more)


@good
def ended_in_a_transaction(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    finish_in(
        tale, 1.5, told=tale.shown("j", 1.5, {"kind": "succeeded", "outcome": "1"}, version=1)
    )
    finish_in(tale, 2)
    tale.final(9, "j")


@good
def a_commit_that_nobody_heard_of(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    finish_in(tale, 1.5, answer=None)
    tale.end(2, "a", 1, kind="failed", answer="lost")
    tale.shown("j", 1.5, {"kind": "succeeded", "outcome": "1"}, version=1)
    tale.final(9, "j")


@bad("the finish .* cannot be: the claim still holds the job")
def undone_though_the_claim_held(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    finish_in(tale, 1.5)


# -- what follows ----------------------------------------------------------------------------------


def followed(tale, at, job="after j"):
    tale.told.setdefault(job, tale.fresh(job, seq=2))
    tale.calls[-1].reply["also"] = [["enqueue", tale.fresh(job)]]


@good
def what_follows_is_told_of_again(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.end(1.5, "a", 1)
    followed(tale, 1.5)
    tale.claim(2, "b", "after j")
    tale.end(3, "a", 1, answer="again")
    followed(tale, 3)
    tale.end(4, "b", 1, "after j")


@good
def what_follows_on_an_end_that_nobody_heard_of(tale):
    tale.enqueue(0)
    tale.claim(1, "a", lease=30)
    tale.end(1.5, "a", 1, answer=None)
    tale.shown("j", 1.5, {"kind": "succeeded", "outcome": "1"}, version=1)
    tale.told["after j"] = tale.fresh("after j", seq=2)
    tale.claim(2, "b", "after j", lease=30)
    tale.end(3, "a", 1, answer="again")
    followed(tale, 3)


@bad("job after j was acknowledged, and is lost")
def what_follows_is_not_there(tale):
    tale.enqueue(0)
    tale.claim(1, "a")
    tale.end(1.5, "a", 1)
    followed(tale, 1.5)
    tale.final(9, "j")


# -- the end ---------------------------------------------------------------------------------------


def kept_by_a_limit(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i", lease=30)
    tale.cancel(2, "i", until=moment(31))
    tale.final(9, "i", "j")


def kept_by_a_rate(tale):
    paced(tale, 1, 1.1)
    tale.enqueue(2, "j", parts=PACED)
    tale.end(1.5, "a", 1, "0")
    tale.end(1.6, "a", 1, "1")
    tale.final(9, "0", "1", "j")


def kept_by_a_pause(tale):
    tale.enqueue(0, parts=MAIL)
    tale.call(1, "resume", "mail", True)
    tale.call(2, "pause", "mail")
    tale.final(9, "j")


def kept_by_a_batch(tale):
    tale.enqueue(0, "last", parts=LAST)
    tale.final(9, "last")


def kept_by_its_parent(tale):
    """Which is kept back itself."""
    tale.call(0, "pause", "mail")
    tale.enqueue(0, "j", parts=MAIL)
    tale.enqueue(0.5, "child", parts=CHILD)
    tale.final(9, "j", "child")


@pytest.mark.parametrize(
    "tell",
    [kept_by_a_limit, kept_by_a_rate, kept_by_a_pause, kept_by_a_batch, kept_by_its_parent],
)
def test_what_is_kept_back_may_be_left(tell):
    assert told(tell).faults(drained=True) == []


def gone_is_the_limit(tale):
    two_jobs(tale)
    tale.claim(1, "a", "i")
    tale.end(1.5, "a", 1, "i")
    tale.final(9, "i", "j")


def gone_is_the_rate(tale):
    paced(tale, 1)
    tale.enqueue(2, "j", parts=PACED)
    tale.end(1.5, "a", 1, "0")
    tale.final(99, "0", "j")


def gone_is_the_pause(tale):
    tale.enqueue(0, parts=MAIL)
    tale.call(1, "pause", "mail")
    tale.call(2, "resume", "mail", True)
    tale.final(9, "j")


def gone_is_the_parent(tale):
    tale.enqueue(0, "i")
    tale.enqueue(0.5, "j", parts=CHILD | {"ties": Ties(after=("i",))})
    tale.claim(1, "a", "i")
    tale.end(1.5, "a", 1, "i")
    woken(tale, "j")
    tale.final(9, "i", "j")


@pytest.mark.parametrize(
    "tell", [gone_is_the_limit, gone_is_the_rate, gone_is_the_pause, gone_is_the_parent]
)
def test_what_nothing_keeps_back_is_left_over(tell):
    assert re.match("job j was left", told(tell).faults(drained=True)[0])


def test_each_rule_is_needed():
    """Of what jobs share, and of what is left: without it some history would be misjudged."""
    rules = (sharing.over_limit, sharing.too_fast, sharing.while_paused, sharing.too_early)
    rules += (uniqueness.held_twice,)
    operations = [split(told(tell).calls, micros(0.2)) for tell, _ in BAD]
    assert all(any([*rule(one)] for one in operations) for rule in rules)
    kept = split(told(kept_by_a_pause).calls, micros(0.2))
    assert [*queue.left(kept._replace(of_queues={}))] == [("j", "was left enqueued")]
