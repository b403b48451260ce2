"""Checks of how claims end: finish, release, rescue, cancel, retry."""

from datetime import datetime

import attrs

from ...values.errors import InvalidTransition, JobLost
from ...values.job import Job
from ...values.states import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    StateKind,
    Succeeded,
)
from .scene import A_MICROSECOND, Scene


def finish_writes_the_outcome(s: Scene) -> None:
    """2: finish moves the job to its outcome, ends the lease and raises the version by one."""
    wrong = s.later(-1e6)
    outcomes: list[JobState] = [
        Succeeded(wrong, 12.5, {"n": 1}),
        attrs.evolve(s.failed(), failed_at=wrong),
        Deleted(wrong, "not wanted"),
        Enqueued(wrong, "default"),
        attrs.evolve(s.retry_in(60), scheduled_at=wrong),
    ]
    for outcome in outcomes:
        claimed = s.running(outcome.kind.value)
        s.clock.advance(1)
        stored = s.storage.finish(claimed, outcome)
        s.same(stored.state, _at(outcome, s.clock.now()), "the state, at the storage's time")
        s.same((stored.version, stored.attempt), (claimed.version + 1, 1), "version and attempt")
        s.same(stored.lease_expires_at, None, "the lease")
        s.same(s.get(outcome.kind.value), stored, "the stored job")
        s.storage.delete(outcome.kind.value)


def _at(state: JobState, now: datetime) -> JobState:
    """The state with ``now`` as the moment it began."""
    names = [field.name for field in attrs.fields(type(state)) if field.name.endswith("_at")]
    began = next(name for name in names if name != "retry_at")
    return attrs.evolve(state, **{began: now})


def finish_takes_a_running_job_only(s: Scene) -> None:
    """1: no claim ends as Scheduled or Processing: InvalidTransition before anything is written."""
    claimed = s.running()
    s.refuses(InvalidTransition, s.storage.finish, claimed, s.due_in(5))
    s.refuses(InvalidTransition, s.storage.finish, claimed, claimed.state)
    batch = [(claimed, Succeeded()), (claimed, s.due_in(5))]
    s.refuses(InvalidTransition, s.storage.finish_many, batch)


def _all_refuse(s: Scene, stale: Job) -> None:
    for outcome in (Succeeded(result="stale"), s.failed("stale"), s.retry_in(1, "stale")):
        error = s.refuses(JobLost, s.storage.finish, stale, outcome)
        s.same(error.job_id, stale.id, "the job_id of the error")
        with s.unchanged():
            [answer] = s.storage.finish_many([(stale, outcome)])
            assert isinstance(answer, JobLost), f"finish_many answers {answer!r}"
    s.refuses(JobLost, s.storage.release, stale)
    with s.unchanged():
        s.same(s.storage.renew([stale]), [False], "the renewal of a stale claim")


def a_stale_hand_changes_nothing(s: Scene) -> None:
    """Law 5: finish, renew and release are accepted only from the claim that holds the job, same
    worker and same fence; a stale hand gets JobLost and changes nothing at all."""
    first = s.running(max_retries=9)
    s.storage.release(first)
    again = s.claim("w1")
    _all_refuse(s, first)
    s.clock.advance(30)
    s.storage.rescue()
    _all_refuse(s, again)
    s.clock.advance(60)
    _all_refuse(s, again)
    third = s.claim("w1")
    _all_refuse(s, again)
    s.storage.finish(third, Succeeded(result="the third"))
    _all_refuse(s, again)
    _all_refuse(s, third)


def the_job_enqueued_anew_is_another(s: Scene) -> None:
    """Law 5: a claim on a deleted job is stale, also when its id was enqueued and claimed anew."""
    old = s.running()
    s.storage.delete("a")
    _all_refuse(s, old)
    s.add()
    _all_refuse(s, old)
    new = s.claim("w1")
    s.same((new.fence, new.version), (old.fence, old.version), "fence and version of a new job")
    _all_refuse(s, old)
    s.storage.finish(new, Succeeded())
    by_hand = Job("task", id="by hand", state=Processing(worker_id="w1"))
    old = s.storage.enqueue(by_hand)
    s.storage.delete("by hand")
    s.storage.enqueue(by_hand)
    _all_refuse(s, old)


def a_lapsed_claim_may_still_finish(s: Scene) -> None:
    """Law 4: a lapsed claim that nobody took over, rescued or cancelled may still finish."""
    claimed = s.running()
    s.clock.advance(1000)
    s.same(s.storage.finish(claimed, Succeeded()).state.kind, StateKind.SUCCEEDED, "the state")
    s.same(s.storage.rescue(), [], "rescue then")


def a_finish_sent_twice_is_a_finish(s: Scene) -> None:
    """Law 5, 9: the same claim sending the same outcome again gets the stored job; another outcome
    is JobLost."""
    outcomes = [Succeeded(result=[1]), s.failed(), Deleted(reason="r"), s.retry_in(600)]
    others = [Succeeded(result=[2]), Succeeded(result=[True]), s.failed("another"), Deleted()]
    for number, outcome in enumerate(outcomes):
        claimed = s.running(str(number))
        stored = s.storage.finish(claimed, outcome)
        s.clock.advance(1)
        with s.unchanged():
            s.same(s.storage.finish(claimed, outcome), stored, "the same outcome again")
            s.same(s.storage.finish_many([(claimed, outcome)]), [stored], "and in a batch")
        for other in others:
            s.refuses(JobLost, s.storage.finish, claimed, other)
    claimed = s.running("locked")
    s.storage.finish(claimed, Succeeded())
    s.storage.try_acquire_job_lock("locked", "w2", 60)
    again = s.storage.finish(claimed, Succeeded())
    s.same(again, s.get("locked"), "the same outcome again, when another has locked the job")


def a_finish_meets_a_newer_record(s: Scene) -> None:
    """Law 5: a record updated while its job ran keeps the update, and takes the outcome."""
    claimed = s.running()
    s.storage.update(s.get().with_metadata(seen="by somebody"))
    stored = s.storage.finish(claimed, Succeeded(result=1))
    s.same(stored.metadata, {"seen": "by somebody"}, "the metadata")
    s.same((stored.version, stored.state.kind), (3, StateKind.SUCCEEDED), "version and state")


def finishes_in_a_batch_stand_alone(s: Scene) -> None:
    """2: finish_many answers each in order, a Job or a JobLost; a stale one stops no other."""
    claims = [s.running(name) for name in "abcd"]
    s.storage.cancel("b")
    s.storage.delete("c")
    outcomes = [(claim, Succeeded(result=claim.id)) for claim in claims]
    answers = s.storage.finish_many(outcomes)
    s.same([isinstance(a, JobLost) for a in answers], [False, True, True, False], "lost or not")
    s.same([a.job_id for a in answers[1:3]], ["b", "c"], "the job_ids of the lost")
    s.same(s.storage.finish_many(outcomes)[0], answers[0], "the same batch again")
    s.same(s.get("d").state, Succeeded(s.clock.now(), 0, "d"), "the last outcome")
    s.same(s.storage.finish_many([]), [], "an empty batch")


def release_charges_nothing(s: Scene) -> None:
    """2: release hands a claim back: the attempt is not charged, the fence stays raised."""
    claimed = s.running(max_retries=0)
    back = s.storage.release(claimed)
    s.same((back.attempt, back.fence, back.version), (0, 1, 2), "attempt, fence, version")
    s.same((back.state.kind, back.lease_expires_at), (StateKind.ENQUEUED, None), "state, lease")
    s.same(back.failures, (), "the failures")
    later = s.storage.release(s.claim(), 5)
    assert isinstance(later.state, AwaitingRetry)
    s.same(later.state.retry_at, s.later(5), "when it is claimable again")
    s.clock.advance(5 - A_MICROSECOND)
    s.same(s.ids_available(), [], "available a microsecond before")
    s.clock.advance(A_MICROSECOND)
    s.same(s.claim().attempt, 1, "the attempt then")


def rescue_leaves_live_claims(s: Scene) -> None:
    """Law 4: a claim is an orphan when its lease has lapsed, not a microsecond earlier."""
    s.running()
    s.add("waiting")
    s.clock.advance(30 - A_MICROSECOND)
    s.same(s.storage.rescue(), [], "rescue a microsecond before")
    s.clock.advance(A_MICROSECOND)
    [rescued] = s.storage.rescue()
    s.same(s.get(), rescued, "the stored job")
    s.same(rescued.lease_expires_at, None, "its lease")
    s.same(rescued.version, 2, "its version")
    s.same(s.storage.rescue(), [], "rescue again")


def rescue_gives_attempts_left_another_try(s: Scene) -> None:
    """Law 4: an orphan is given back while attempts are left; then Failed with WorkerLost."""
    s.add(max_retries=1)
    s.claim("w1", lease=1)
    s.clock.advance(1)
    [first] = s.storage.rescue()
    assert first.state.kind in (StateKind.AWAITING_RETRY, StateKind.ENQUEUED), first.state
    s.same((first.attempt, len(first.failures)), (1, 1), "attempt and failures")
    s.same(first.failures[0].worker, "w1", "the worker of the failure")
    s.clock.advance(1e6)
    s.claim("w2", lease=1)
    s.clock.advance(1)
    [last] = s.storage.rescue()
    assert isinstance(last.state, Failed), last.state
    assert "WorkerLost" in last.state.exception, last.state
    s.same([f.attempt for f in last.failures], [1, 2], "the failed attempts")
    s.same(s.storage.fetch_and_lock_job("w1"), None, "another claim")


def no_page_hides_an_orphan(s: Scene) -> None:
    """Law 4: a page full of jobs that need no rescue hides none that do."""
    s.storage.enqueue_many([s.job(f"{number:02}", max_retries=9) for number in range(12)])
    leases = [100 if number % 4 else 1 for number in range(12)]
    for lease in leases:
        s.claim(lease=lease)
    s.clock.advance(1)
    found = [job.id for _ in range(4) for job in s.storage.rescue(1)]
    s.same(sorted(found), ["00", "04", "08"], "rescued one by one")


def retries_are_as_many_as_written(s: Scene) -> None:
    """1: max_retries counts retries after the first attempt; 0 = never again."""
    for retries in (0, 1, 3):
        s.add(str(retries), max_retries=retries)
        runs = 0
        while runs < 9 and s.storage.fetch_and_lock_job("w1", lease_seconds=1) is not None:
            runs += 1
            s.clock.advance(1)
            s.storage.rescue()
            s.clock.advance(1e6)
        s.same(runs, retries + 1, f"the runs with max_retries={retries}")


def a_running_job_can_be_cancelled(s: Scene) -> None:
    """2, 5: cancelling a running job makes it Deleted at once; its lease stays until the run has
    ended, its late finish is JobLost."""
    claimed = s.running()
    gone = s.storage.cancel("a", "not wanted")
    s.same(gone.state, Deleted(s.clock.now(), "not wanted"), "the state")
    s.same(gone.lease_expires_at, s.later(30), "the lease")
    s.same(s.storage.renew([claimed], 60), [True], "the renewal while the run goes on")
    s.clock.advance(60)
    s.same(s.storage.rescue(), [], "rescue of a cancelled run")
    for outcome in (Deleted(reason="not wanted"), Succeeded()):
        [answer] = s.storage.finish_many([(claimed, outcome)])
        assert isinstance(answer, JobLost), f"its finish gets {answer!r}"
    s.same(s.get(), attrs.evolve(gone, lease_expires_at=None), "the job when its run has ended")
    s.same(s.storage.renew([claimed]), [False], "the renewal then")


def cancel_follows_the_moves(s: Scene) -> None:
    """2: cancel takes every state to Deleted, except Deleted: InvalidTransition."""
    s.add("scheduled", state=s.due_in(60))
    s.storage.finish(s.running("awaiting"), s.retry_in(60))
    s.storage.finish(s.running("succeeded"), Succeeded())
    s.storage.finish(s.running("failed"), s.failed())
    s.add("enqueued")
    for job in s.storage.list():
        gone = s.storage.cancel(job.id)
        s.same(gone.state, Deleted(s.clock.now(), None), f"{job.id}, cancelled")
        s.same(gone.version, job.version + 1, f"the version of {job.id}")
        s.refuses(InvalidTransition, s.storage.cancel, job.id)
    s.clock.advance(60)
    s.same(s.storage.fetch_and_lock_job("w1"), None, "a claim")


def retry_makes_ready_at_once(s: Scene) -> None:
    """2: retry takes failed, scheduled and waiting jobs to Enqueued, with an attempt to go."""
    s.add("scheduled", state=s.due_in(60))
    s.storage.finish(s.running("awaiting", max_retries=0), s.retry_in(60))
    s.storage.finish(s.running("failed", max_retries=0), s.failed())
    for name in ("scheduled", "awaiting", "failed"):
        version = s.get(name).version
        ready = s.storage.retry(name)
        s.same(ready.state, Enqueued(s.clock.now(), "default"), f"the state of {name}")
        s.same(ready.version, version + 1, f"the version of {name}")
    s.same(s.ids_available(), ["scheduled", "awaiting", "failed"], "the available jobs")
    s.storage.cancel("scheduled")
    claimed = s.claim()
    s.same((claimed.attempt, claimed.max_attempts), (2, 2), "attempt, and how many there are")


def only_resting_jobs_are_retried(s: Scene) -> None:
    """1: Enqueued, Processing, Succeeded and Deleted have no retry: InvalidTransition."""
    s.storage.finish(s.running("succeeded"), Succeeded())
    s.storage.cancel(s.add("deleted").id)
    s.running("processing")
    s.add("enqueued")
    for name in ("succeeded", "deleted", "processing", "enqueued"):
        s.refuses(InvalidTransition, s.storage.retry, name)
