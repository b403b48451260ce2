"""Checks of time limits on a whole job: its expiry, and a retention of its own."""

import attrs

from ...values.errors import JobLost
from ...values.retention import Retention
from ...values.states import AwaitingRetry, Deleted, StateKind, Succeeded
from .scene import A_MICROSECOND, Scene


def no_attempt_starts_once_it_has_expired(s: Scene) -> None:
    """1: expires_at is a moment at which no attempt starts any more: a claim that comes upon the
    job ends it Deleted, saying why, and takes others in its place."""
    s.add("a", expires_at=s.later(10), priority=1, unique_key="k")
    s.add("b")
    s.clock.advance(10 - A_MICROSECOND)
    s.same(s.ids_available(), ["a", "b"], "the available jobs a microsecond before")
    s.clock.advance(A_MICROSECOND)
    s.same(s.ids_available(), ["b"], "the available jobs at that moment")
    s.same(s.claim().id, "b", "the claim")
    gone = s.get("a")
    assert isinstance(gone.state, Deleted), gone.state
    assert (gone.state.reason or "").startswith("expired"), gone.state
    s.same(gone.state.deleted_at, s.clock.now(), "when it ended")
    s.same((gone.attempt, gone.lease_expires_at), (0, None), "its attempts, its lease")
    s.add("next", unique_key="k")


def a_microsecond_before_it_expires_a_job_starts(s: Scene) -> None:
    """1: a job that was started in time may run on, and end, after its expires_at."""
    s.add(expires_at=s.later(10))
    s.clock.advance(10 - A_MICROSECOND)
    claimed = s.claim()
    s.clock.advance(A_MICROSECOND)
    s.same(s.storage.expire(), [], "expire while it runs")
    s.same(s.storage.renew([claimed]), [True], "its renewal")
    s.same(s.storage.finish(claimed, Succeeded()).state.kind, StateKind.SUCCEEDED, "its end")


def a_retry_expires_too(s: Scene) -> None:
    """1: no attempt starts from expires_at on, the first or another."""
    claimed = s.running(expires_at=s.later(10))
    s.storage.finish(claimed, s.retry_in(5))
    s.clock.advance(10)
    s.same(s.storage.fetch_and_lock_job("w1"), None, "the claim of a second attempt")
    gone = s.get()
    s.same((gone.state.kind, gone.attempt), (StateKind.DELETED, 1), "state and attempts")
    s.refuses(JobLost, s.storage.finish, claimed, Succeeded())


def expire_ends_what_waits(s: Scene) -> None:
    """2: expire ends the waiting jobs whose time has passed, the longest ago first, at most
    ``limit``, and returns them; also those that are not due yet."""
    s.add("later", expires_at=s.later(20))
    s.add("scheduled", state=s.due_in(60), expires_at=s.later(8))
    s.add("enqueued", expires_at=s.later(10))
    s.storage.finish(s.running("retried", priority=9, expires_at=s.later(9)), s.retry_in(60))
    s.clock.advance(10 - A_MICROSECOND)
    s.same([job.id for job in s.storage.expire(1)], ["scheduled"], "one of them")
    s.same([job.id for job in s.storage.expire()], ["retried"], "a microsecond before the next")
    s.clock.advance(A_MICROSECOND)
    [ended] = s.storage.expire()
    s.same((ended.id, ended.version), ("enqueued", 1), "the next, and its version")
    s.same(s.get("enqueued"), ended, "the stored job")
    s.same(s.storage.expire(), [], "expire again")
    s.same(s.get("later").state.kind, StateKind.ENQUEUED, "one whose time has not passed")


def what_expired_hides_nobody(s: Scene) -> None:
    """2: available jobs and claims agree, under any limit, whatever has expired before them."""
    for number in range(9):
        expires = {} if number % 3 == 2 else {"expires_at": s.later(5)}
        s.add(str(number), **expires)
    s.clock.advance(5)
    for limit in (0, 1, 2, 3, None):
        found = [job.id for job in s.storage.get_available_jobs(limit)]
        s.same(found, ["2", "5", "8"][:limit], f"the available jobs, at most {limit}")
    s.same(s.ids_claimed(1) + s.ids_claimed(2), ["2", "5", "8"], "claims of one, and of two")
    s.same(s.ids_claimed(), [], "a claim of more")
    s.same(s.storage.get_job_counts()[StateKind.DELETED], 6, "how many have ended")


def a_job_can_be_given_another_expiry(s: Scene) -> None:
    """2: update writes the whole record, expires_at included."""
    job = s.add(expires_at=s.later(5))
    s.storage.update(attrs.evolve(job, expires_at=s.later(50)))
    s.clock.advance(5)
    s.same(s.storage.expire(), [], "expire at the first moment")
    s.same(s.ids_available(), ["a"], "the available jobs")
    s.storage.update(attrs.evolve(s.get(), expires_at=s.clock.now()))
    s.same([job.id for job in s.storage.expire()], ["a"], "expire at the new one")


def a_retention_of_its_own_counts_from_the_end(s: Scene) -> None:
    """7, law 13: a job's own retention counts from when it finished, by state, in place of the
    storage's."""
    own = Retention(succeeded=10, deleted=20, failed=30)
    s.storage.finish(s.running("failed", retention=own), s.failed())
    s.storage.cancel(s.add("deleted", retention=own, state=s.due_in(60)).id)
    s.storage.finish(s.running("succeeded", retention=own), Succeeded())
    s.storage.finish(s.running("usual"), Succeeded())
    for name in ("succeeded", "deleted", "failed"):
        s.clock.advance(10 - A_MICROSECOND)
        s.same(s.storage.purge(), 0, f"purge a microsecond before {name} may go")
        s.clock.advance(A_MICROSECOND)
        s.same(s.storage.purge(), 1, f"purge when {name} may go")
        s.same(s.storage.get(name), None, name)
    s.same([job.id for job in s.storage.list()], ["usual"], "what is left")


def a_longer_retention_keeps_too(s: Scene) -> None:
    """7: what has a longer retention of its own stays when others of its state go."""
    long = Retention(succeeded=1e8, deleted=1e8, failed=1e8)
    s.storage.finish(s.running("kept", retention=long), Succeeded())
    s.storage.finish(s.running("usual"), Succeeded())
    s.clock.advance(90 * 86_400)
    s.same(s.storage.purge(), 1, "purge after the usual retention")
    s.same([job.id for job in s.storage.list()], ["kept"], "what is left")


def a_retention_of_its_own_goes_by_the_storages_clock(s: Scene) -> None:
    """Law 6: it counts from when the storage saw the job end, not from what a state says."""
    own = Retention(succeeded=100, deleted=100, failed=100)
    s.add("given", state=Succeeded(s.later(-1e6)), retention=own)
    s.add("updated", retention=own)
    s.storage.update(s.get("updated").with_state(Deleted(s.later(-1e6))))
    s.storage.finish(s.running("ended", retention=own), Succeeded(s.later(1e6)))
    s.clock.advance(100 - A_MICROSECOND)
    s.same(s.storage.purge(), 0, "purge a microsecond before")
    s.clock.advance(A_MICROSECOND)
    s.same(s.storage.purge(), 3, "purge then")


def a_retry_by_hand_forgets_the_retention(s: Scene) -> None:
    """7: the retention of a job that is taken up again begins anew with its next end."""
    own = Retention(succeeded=100, deleted=100, failed=10)
    s.storage.finish(s.running(retention=own), s.failed())
    s.storage.retry("a")
    s.clock.advance(50)
    s.same(s.storage.purge(), 0, "purge while it waits")
    s.storage.finish(s.claim(), s.retry_in(5))
    s.clock.advance(50)
    s.same(s.storage.purge(), 0, "purge while it waits for another attempt")
    assert isinstance(s.get().state, AwaitingRetry)
