"""Checks of what follows on a failure, and of jobs changed in bulk."""

import attrs

from ...values.errors import JobLost
from ...values.followup import Followup
from ...values.job import Job
from ...values.selection import JobFilter
from ...values.states import Deleted, Enqueued, Failed, StateKind, Succeeded
from .scene import Scene

MEND = Followup("mend", queue="repairs", priority=3, max_retries=2, timeout_seconds=5.0)


def _followers(s: Scene) -> list[Job]:
    return [job for job in s.storage.list() if job.method == "mend"]


def a_failure_enqueues_what_follows(s: Scene) -> None:
    """6: on_failure's job is enqueued in the same step as the end, with the id of the job that
    failed and its exception; it may be claimed at once."""
    claimed = s.running(on_failure=MEND)
    s.clock.advance(3)
    s.storage.finish(claimed, s.failed("ValueError: no"))
    [follower] = _followers(s)
    s.same(follower.arguments, ["a", "ValueError: no"], "its arguments")
    told = (follower.queue, follower.priority, follower.max_retries, follower.timeout_seconds)
    s.same(told, ("repairs", 3, 2, 5.0), "what its Followup says")
    s.same(follower.state, Enqueued(s.clock.now(), "repairs"), "its state")
    s.same(follower.max_attempts, 3, "how often it is tried")
    s.same(s.claim("w2").id, follower.id, "the next claim")


def only_a_failure_is_followed(s: Scene) -> None:
    """6: no other end enqueues anything, nor does a failure of which nobody asked to be told."""
    for number, outcome in enumerate([Succeeded(), Deleted(), s.retry_in(0), Enqueued()]):
        s.storage.finish(s.running(str(number), on_failure=MEND, priority=-number), outcome)
        s.storage.cancel_many(JobFilter())
    s.storage.release(s.running("released", on_failure=MEND))
    s.storage.cancel("released")
    s.storage.finish(s.running("nobody asked"), s.failed())
    s.storage.update(s.add("by hand", on_failure=MEND).with_state(s.failed()))
    s.storage.enqueue(s.job("as given", on_failure=MEND, state=s.failed()))
    s.same(_followers(s), [], "what follows")


def what_follows_comes_in_the_order_of_the_ends(s: Scene) -> None:
    """6: what follows on the ends of one call comes in their order; on that of a job which another
    hand has changed since the claim, after the others."""
    claimed = [s.running(name, on_failure=Followup(f"mends {name}")) for name in "abc"]
    s.storage.update(s.storage.get("a").with_metadata(changed=True))
    s.storage.finish_many([(job, s.failed()) for job in claimed])
    s.same(
        [job.method for job in s.storage.list() if job.method.startswith("mends")],
        ["mends a", "mends c", "mends b"],
        "what follows, the newest first",
    )


def what_follows_comes_once(s: Scene) -> None:
    """6, law 8: a finish sent twice enqueues it once; a stale one, never."""
    claimed = s.running(on_failure=MEND)
    for _ in range(2):
        s.storage.finish(claimed, s.failed())
        s.storage.finish_many([(claimed, s.failed())])
    s.same(len(_followers(s)), 1, "after a finish sent four times")
    s.refuses(JobLost, s.storage.finish, claimed, s.failed("another"))
    stale = s.running("b", on_failure=MEND, priority=9)
    s.storage.release(stale)
    with s.unchanged():
        assert isinstance(s.storage.finish_many([(stale, s.failed())])[0], JobLost)
    s.storage.cancel(s.claim().id)
    with s.unchanged():
        assert isinstance(s.storage.finish_many([(stale, s.failed())])[0], JobLost)


def each_failure_is_followed(s: Scene) -> None:
    """6: a job that fails again, or another of the same id, is followed again."""
    s.storage.finish(s.running(on_failure=MEND, priority=9), s.failed("first"))
    s.storage.retry("a")
    s.storage.finish(s.claim(), s.failed("second"))
    s.storage.delete("a")
    s.clock.advance(1)
    s.storage.finish(s.running(on_failure=MEND, priority=9), s.failed("third"))
    told = [job.arguments[1] for job in _followers(s)]
    s.same(told, ["third", "second", "first"], "what followers were told, the newest first")


def a_lost_worker_is_followed_too(s: Scene) -> None:
    """6: what follows is enqueued by the rescue that gives the job up, and by no other."""
    s.add(on_failure=MEND, max_retries=1)
    s.claim(lease=1)
    s.clock.advance(1)
    s.storage.rescue()
    s.same(_followers(s), [], "after the first rescue")
    s.clock.advance(1e6)
    claimed = s.claim(lease=1)
    s.clock.advance(1)
    [given_up] = s.storage.rescue()
    assert isinstance(given_up.state, Failed), given_up.state
    [follower] = _followers(s)
    assert follower.arguments[0] == "a", follower.arguments
    assert "WorkerLost" in follower.arguments[1], follower.arguments
    s.refuses(JobLost, s.storage.finish, claimed, s.failed())


def failures_in_a_batch_are_followed(s: Scene) -> None:
    """6, law 8: of a batch each failure is followed, those of stale claims are not."""
    claims = [s.running(name, on_failure=MEND, priority=9) for name in "abcd"]
    s.storage.cancel("b")
    s.storage.delete("c")
    s.storage.finish_many([(claim, s.failed()) for claim in claims])
    s.same([job.arguments[0] for job in _followers(s)], ["d", "a"], "whom others follow")


def _some(s: Scene) -> None:
    s.add("a", queue="mail", metadata={"n": 1, "m": {"x": 1, "y": [True]}})
    s.add("b", queue="mail", metadata={"n": 1.0}, state=s.due_in(60))
    s.clock.advance(10)
    s.add("c", queue="reports", metadata={"n": True}, arguments=[{"to": 'Ada "ä"'}])
    s.storage.enqueue(Job("other", id="d", queue="mail", created_at=s.clock.now()))
    s.storage.finish(s.running("e", priority=9), s.failed())


FILTERS = (
    (JobFilter(), "edcba"),
    (JobFilter(states="enqueued"), "dca"),
    (JobFilter(states=[StateKind.SCHEDULED, "failed"]), "eb"),
    (JobFilter(queue="mail"), "dba"),
    (JobFilter(method="other"), "d"),
    (JobFilter(queue="mail", method="task", states="enqueued"), "a"),
    (JobFilter(older_than=10), "ba"),
    (JobFilter(older_than=10.000001), ""),
    (JobFilter(older_than=0), "edcba"),
    (JobFilter(newer_than=10), "edc"),
    (JobFilter(newer_than=10.000001), "edcba"),
    (JobFilter(text='ADA "Ä'), "c"),
    (JobFilter(text="u00e4"), ""),
    (JobFilter(metadata={"n": 1}), "a"),
    (JobFilter(metadata={"n": True}), "c"),
    (JobFilter(metadata={"m": {"y": [True], "x": 1}}), "a"),
    (JobFilter(metadata={"m": {"x": 1}}), ""),
    (JobFilter(metadata={"n": 1, "m": None}), ""),
    (JobFilter(queue="nobody's"), ""),
)


def a_filter_names_jobs(s: Scene) -> None:
    """6: select and count name jobs by state, queue, method, age, metadata and a text in the
    arguments, all of which must fit, the newest first; metadata is equal as JSON is: 1, 1.0 and
    true differ; a text is looked for as a person reads it, large or small letters."""
    _some(s)
    for where, names in FILTERS:
        s.same([job.id for job in s.storage.select(where)], [*names], f"select by {where}")
        s.same(s.storage.count(where), len(names), f"count by {where}")


def cancel_many_takes_what_the_filter_names(s: Scene) -> None:
    """6: cancel_many cancels what the filter names and says how many: of a filter without states,
    what has not ended; a running job keeps its lease until its run has ended."""
    _some(s)
    s.storage.finish(s.running("done", queue="mail", priority=9), Succeeded())
    claimed = s.running("running", queue="mail", priority=9)
    s.same(s.storage.cancel_many(JobFilter(queue="mail"), "not wanted"), 4, "how many")
    s.same(s.get("done").state.kind, StateKind.SUCCEEDED, "the state of what had ended")
    for name in ("a", "b", "d", "running"):
        s.same(s.get(name).state, Deleted(s.clock.now(), "not wanted"), f"the state of {name}")
    s.same(s.get("running").lease_expires_at, claimed.lease_expires_at, "the lease of the run")
    s.same(s.storage.cancel_many(JobFilter(queue="mail")), 0, "how many then")
    s.same(s.storage.cancel_many(JobFilter(states="failed")), 1, "of those that have failed")
    s.same(s.storage.cancel_many(JobFilter(states="deleted")), 0, "of those that are deleted")
    s.same(s.ids_available(), ["c"], "what is left")


def cancel_many_frees_keys(s: Scene) -> None:
    """7: what is cancelled in bulk frees its unique keys, as if cancelled one by one."""
    for name in "abc":
        s.add(name, unique_key=name)
    s.same(s.storage.cancel_many(JobFilter()), 3, "how many")
    for name in "abc":
        s.add(name + name, unique_key=name)


def retry_many_takes_what_has_failed(s: Scene) -> None:
    """6: retry_many makes ready what the filter names, and says how many: of a filter without
    states, what has failed; of two that share a unique key, one."""
    for name in "abc":
        s.storage.finish(s.running(name, priority=9), s.failed())
    s.storage.finish(s.running("later", priority=9), s.retry_in(60))
    s.storage.finish(s.running("done", priority=9), Succeeded())
    s.same(s.storage.retry_many(JobFilter()), 3, "how many")
    s.same(s.ids_available(), ["a", "b", "c"], "what is ready")
    s.same(s.storage.retry_many(JobFilter()), 0, "how many then")
    s.same(s.storage.retry_many(JobFilter(states="awaiting_retry")), 1, "of those that wait")
    s.same(s.storage.retry_many(JobFilter(states="succeeded")), 0, "of those that are done")
    s.storage.delete_many(JobFilter())
    for name in "ab":
        s.storage.finish(s.running(name, unique_key="k"), s.failed())
    s.same(s.storage.retry_many(JobFilter()), 1, "of two with one key")
    s.same(len(s.ids_available()), 1, "how many are ready then")


def delete_many_removes(s: Scene) -> None:
    """6: delete_many removes what the filter names, whatever its state, and says how many."""
    _some(s)
    s.same(s.storage.delete_many(JobFilter(older_than=10.5)), 0, "of those old enough")
    s.same(s.storage.delete_many(JobFilter(queue="mail", older_than=10)), 2, "of older ones")
    s.same([job.id for job in s.storage.list()], ["e", "d", "c"], "what is left")
    s.same(s.storage.delete_many(JobFilter(metadata={"n": True})), 1, "by metadata")
    s.same(s.storage.delete_many(JobFilter()), 2, "how many of all")
    s.same(s.storage.list(), [], "what is left then")
    s.add("a", unique_key="k")


def a_given_slot_comes_back(s: Scene) -> None:
    """1: schedule, slot, on_failure and retention come back as given, and stay through a claim."""
    job = s.job(schedule="nightly", slot=s.later(-0.5), on_failure=MEND, expires_at=s.later(9))
    s.storage.enqueue(job)
    s.same(s.get(), attrs.evolve(job, max_attempts=s.get().max_attempts), "the stored job")
    claimed = s.claim()
    told = (claimed.schedule, claimed.slot, claimed.on_failure, claimed.expires_at)
    s.same(told, (job.schedule, job.slot, job.on_failure, job.expires_at), "of the claimed job")
