"""Checks of locks and leases: who holds a job, until when, and what others may do meanwhile."""

from ...values.errors import JobLost
from ...values.states import Deleted, Processing, StateKind, Succeeded
from .scene import A_MICROSECOND, Scene


def a_lock_keeps_others_away(s: Scene) -> None:
    """2: while a lock is held no other worker can fetch the job; its holder can."""
    s.same(s.storage.try_acquire_job_lock("a", "w1", 5), False, "the lock of no job")
    s.add()
    s.same(s.storage.try_acquire_job_lock("a", "w1", 5), True, "the lock")
    s.same(s.storage.try_acquire_job_lock("a", "w2", 5), False, "the lock by another")
    s.same(s.storage.fetch_and_lock_job("w2"), None, "a claim by another")
    s.same(s.storage.fetch_available_jobs_atomic("w2"), [], "a batch by another")
    s.same(s.ids_available(), [], "the available jobs")
    claimed = s.claim("w1")
    s.same(claimed.lease_expires_at, s.later(30), "the lease of the holder's claim")


def a_lock_ends_at_its_time(s: Scene) -> None:
    """2: a lock is held until its timeout, neither shorter nor longer; fractions count."""
    s.add()
    s.storage.try_acquire_job_lock("a", "w1", 0.5)
    s.clock.advance(0.5 - A_MICROSECOND)
    s.same(s.storage.fetch_and_lock_job("w2"), None, "a claim a microsecond before")
    s.same(s.storage.try_acquire_job_lock("a", "w2", 5), False, "a lock a microsecond before")
    s.clock.advance(A_MICROSECOND)
    s.same(s.ids_available(), ["a"], "the available jobs at the timeout")
    s.same(s.storage.try_acquire_job_lock("a", "w2", 5), True, "a lock at the timeout")
    s.clock.advance(5)
    s.claim("w1")


def a_lock_is_renewed_by_asking(s: Scene) -> None:
    """2: asking again renews the lock; it changes no version."""
    s.add()
    s.storage.try_acquire_job_lock("a", "w1", 5)
    s.clock.advance(4)
    s.same(s.storage.try_acquire_job_lock("a", "w1", 5), True, "the lock asked for again")
    s.same(s.get().lease_expires_at, s.later(5), "its end")
    s.same((s.get().version, s.get().fence), (0, 0), "version and fence")
    s.clock.advance(5 - A_MICROSECOND)
    s.same(s.storage.fetch_and_lock_job("w2"), None, "a claim by another, meanwhile")


def a_lock_is_let_go_by_its_holder_alone(s: Scene) -> None:
    """2: release_job_lock is True only for the live holder; other hands change nothing."""
    s.add()
    s.storage.try_acquire_job_lock("a", "w1", 5)
    with s.unchanged():
        s.same(s.storage.release_job_lock("a", "w2"), False, "by a foreign hand")
        s.same(s.storage.release_job_lock("b", "w1"), False, "of no job")
    s.same(s.storage.release_job_lock("a", "w1"), True, "by its holder")
    s.same(s.storage.release_job_lock("a", "w1"), False, "again")
    s.same(s.ids_available(), ["a"], "the available jobs")
    s.storage.try_acquire_job_lock("a", "w1", 5)
    s.clock.advance(5)
    with s.unchanged():
        s.same(s.storage.release_job_lock("a", "w1"), False, "by an expired hand")


def a_claim_is_a_lock(s: Scene) -> None:
    """Law 4: a claim is the job's lock: no other worker can lock the job while the lease lasts."""
    claimed = s.running()
    s.clock.advance(30 - A_MICROSECOND)
    with s.unchanged():
        s.same(s.storage.try_acquire_job_lock("a", "w2", 5), False, "a lock by another")
        s.same(s.storage.release_job_lock("a", "w2"), False, "its release by another")
    s.same(s.storage.try_acquire_job_lock("a", "w1", 60), True, "a lock by the worker itself")
    s.same(s.get().lease_expires_at, s.later(60), "the end of the lease then")
    s.same(s.storage.renew([claimed]), [True], "the renewal of the claim")


def letting_go_of_a_running_job_makes_an_orphan(s: Scene) -> None:
    """2: on a Processing job, release_job_lock ends the lease at once, and rescue takes it."""
    s.running()
    s.same(s.storage.rescue(), [], "rescue before")
    s.same(s.storage.release_job_lock("a", "w1"), True, "release")
    s.same(s.get().state.kind, StateKind.PROCESSING, "the state")
    s.same([job.id for job in s.storage.rescue()], ["a"], "rescue after")


def the_claims_of_a_dead_worker_end(s: Scene) -> None:
    """2: end_claims ends at once the leases of what that worker runs, and nobody else's; its locks
    stay. Until a rescue the claim may still end the job."""
    dead, late = s.running("dead"), s.running("late")
    s.add("locked")
    s.storage.try_acquire_job_lock("locked", "w1", 60)
    s.add("lives")
    s.claim("w2")
    s.same(s.storage.end_claims("w3"), 0, "the claims of one that has none")
    s.same(s.storage.rescue(), [], "rescue before")
    s.same(s.storage.end_claims("w1"), 2, "the claims that were ended")
    s.same(s.storage.end_claims("w1"), 0, "again")
    s.storage.finish(late, Succeeded())
    s.same([job.id for job in s.storage.rescue()], ["dead"], "rescue after")
    s.refuses(JobLost, s.storage.finish, dead, Succeeded())
    s.same(s.storage.try_acquire_job_lock("locked", "w2", 5), False, "a lock over the dead one's")


def a_lapsed_claim_can_be_taken_over(s: Scene) -> None:
    """Law 5: taking a lock over a lapsed claim raises fence and version: the old hand is stale,
    also when it is the same worker's."""
    for worker in ("w2", "w1"):
        old = s.running("of " + worker)
        s.clock.advance(30)
        s.same(s.storage.try_acquire_job_lock(old.id, worker, 60), True, "the lock")
        new = s.get(old.id)
        found = (new.fence, new.version, new.attempt)
        s.same(found, (old.fence + 1, old.version + 1, old.attempt), "fence, version, attempt")
        s.refuses(JobLost, s.storage.finish, old, Succeeded())
        s.same(s.storage.renew([old]), [False], "the renewal of the old claim")
        s.same(s.storage.rescue(), [], "rescue")
        assert isinstance(new.state, Processing)
        s.same(new.state.worker_id, worker, "who holds the job")
        s.same(s.storage.finish(new, Succeeded()).version, new.version + 1, "version at the end")


def any_job_can_be_locked(s: Scene) -> None:
    """2: a job can be locked in any state; that changes neither state nor version."""
    s.add("scheduled", state=s.due_in(5))
    s.storage.finish(s.running("succeeded"), Succeeded())
    s.storage.finish(s.running("failed"), s.failed())
    s.add("deleted", state=Deleted(s.clock.now()))
    for job in s.storage.list():
        s.same(s.storage.try_acquire_job_lock(job.id, "w9", 5), True, f"a lock of {job.id}")
        found = s.get(job.id)
        s.same((found.state, found.version), (job.state, job.version), f"{job.id} then")
    s.clock.advance(5)
    s.claim()


def a_renewal_extends_the_lease(s: Scene) -> None:
    """2, law 4: renew extends the lease from now on, 30 s by default, and changes no version."""
    claimed = s.running()
    s.clock.advance(29)
    s.same(s.storage.renew([claimed]), [True], "the renewal")
    s.same(s.get().lease_expires_at, s.later(30), "the end of the lease")
    s.same(s.get().version, claimed.version, "the version")
    s.same(s.storage.renew([claimed], 100), [True], "a longer one")
    s.same(s.get().lease_expires_at, s.later(100), "its end")
    s.clock.advance(60)
    s.same(s.storage.rescue(), [], "rescue meanwhile")
    s.same(s.storage.renew([]), [], "the renewal of nothing")


def only_the_claim_renews(s: Scene) -> None:
    """Law 5: a renewal is accepted only from the claim that holds the job."""
    first = s.running(max_retries=5)
    s.storage.release(first)
    again = s.claim("w1")
    with s.unchanged():
        s.same(s.storage.renew([first]), [False], "by the same worker's older claim")
    s.same(s.storage.renew([first, again]), [False, True], "of a stale and a live one")
    s.clock.advance(30)
    s.same(s.storage.renew([again]), [True], "of a lapsed claim that nobody took")
    s.clock.advance(30)
    s.storage.rescue()
    with s.unchanged():
        s.same(s.storage.renew([again]), [False], "of a rescued one")


def an_ended_claim_leaves_no_lease(s: Scene) -> None:
    """Law 4, 5: after its finish a claim has no lease and cannot renew, lock or no lock."""
    for outcome in (Succeeded(), s.failed(), Deleted(), s.retry_in(600)):
        claimed, when = s.running(), f"when {outcome.kind}"
        stored = s.storage.finish(claimed, outcome)
        s.same(stored.lease_expires_at, None, f"the lease {when}")
        with s.unchanged():
            s.same(s.storage.renew([claimed]), [False], f"the renewal {when}")
        s.storage.delete("a")
    claimed = s.running()
    s.storage.finish(claimed, Succeeded())
    s.storage.try_acquire_job_lock("a", "w1", 5)
    with s.unchanged():
        s.same(s.storage.renew([claimed]), [False], "the renewal when locked again")
