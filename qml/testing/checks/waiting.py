"""Checks of jobs that come after others: after jobs, after batches, after a success."""

from collections.abc import Callable
from typing import Any

import attrs

from ...values.errors import JobLost, JobNotFound
from ...values.followup import Followup
from ...values.selection import JobFilter
from ...values.states import Deleted, StateKind, Succeeded
from ..asking import answer
from .scene import Scene

LAST = Followup("last")


def _expect(s: Scene, batch: str, more: bool) -> None:
    answer(s.storage, "expect", batch, more)


def _run(s: Scene, *failing: str) -> list[str]:
    """Claim what there is, and end it, well if it is not one of these; the ids."""
    taken = s.storage.fetch_available_jobs_atomic("w1", 100)
    for job in taken:
        s.storage.finish(job, s.failed() if job.id in failing else Succeeded())
    return [job.id for job in taken]


def _batch(s: Scene, *names: str, **fields: Any) -> None:
    """An open batch of these jobs, one that comes after its success, one that comes after it."""
    _expect(s, "b", True)
    for name in names:
        s.add(name, batch="b", **fields)
    s.add("success", after_batch="b")
    s.add("finish", after_batch="b", needs_success=False)


def a_job_waits_for_all_it_comes_after(s: Scene) -> None:
    """7: a job waits until all that it comes after have ended, says so, and is due at once."""
    s.add("a")
    s.add("b")
    s.add("c", after=["a", "b"], priority=9)
    s.same(s.get("c").state.kind, StateKind.SCHEDULED, "its state")
    first, second = s.storage.fetch_available_jobs_atomic("w1")
    s.storage.finish(first, Succeeded())
    s.same(s.ids_claimed(), [], "a claim after the first end")
    [told] = s.storage.kept_back([s.get("c")])
    assert told is not None, "nothing is said of the job that waits"
    assert "1 left" in told, told
    s.storage.finish(second, Succeeded())
    s.same(s.ids_available(), ["c"], "available after the last")
    s.same(s.storage.kept_back([s.get("c")]), [None], "what keeps it back then")
    s.same(s.ids_claimed(), ["c"], "a claim then")


def it_waits_for_none_that_has_ended(s: Scene) -> None:
    """7: a job that comes after what has ended is due at once; after what is not there, refused."""
    s.storage.finish(s.running("a"), Succeeded())
    s.add("c", after=["a"])
    s.same(s.ids_claimed(), ["c"], "a claim")
    error = s.refuses(JobNotFound, s.storage.enqueue, s.job("d", after=["a", "nobody"]))
    s.same(error.job_id, "nobody", "the job_id of the error")


def a_failure_cancels_what_needed_its_success(s: Scene) -> None:
    """7: a job that needs the success of others is Deleted, and not started, when one of them
    does not succeed: by a failure, a cancel or a delete; one that does not need it is started."""
    for way in ("fail", "cancel", "delete"):
        s.storage.delete_many(JobFilter())
        s.add("a")
        s.add("child", after=["a"])
        s.add("any", after=["a"], needs_success=False)
        if way == "fail":
            _run(s, "a")
        else:
            getattr(s.storage, way)("a")
        s.same(s.ids_available(), ["any"], f"available after {way}")
        s.same(s.ids_claimed(), ["any"], f"a claim after {way}")
        child = s.get("child")
        s.same((child.state.kind, child.attempt), (StateKind.DELETED, 0), f"the child of {way}")


def it_is_cancelled_where_nobody_claims(s: Scene) -> None:
    """7: expire ends what is not to start; what had failed before counts as well."""
    s.storage.finish(s.running("a"), s.failed())
    s.add("c", after=["a"])
    s.same([job.id for job in s.storage.expire()], ["c"], "expired")
    s.same(s.get("c").state.kind, StateKind.DELETED, "its state")


def a_failure_goes_down_the_line(s: Scene) -> None:
    """7: what was cancelled so has not succeeded either."""
    s.add("a")
    s.add("b", after=["a"])
    s.add("c", after=["b"])
    _run(s, "a")
    for _ in range(2):
        s.same(_run(s), [], "a claim")
    s.same(s.get("c").state.kind, StateKind.DELETED, "the last of the line")


def a_retry_takes_the_end_back(s: Scene) -> None:
    """7: a job that is retried before all have ended has not ended, and may yet succeed."""
    s.add("a")
    s.add("b")
    s.add("c", after=["a", "b"])
    first, second = s.storage.fetch_available_jobs_atomic("w1")
    s.storage.finish(first, s.failed())
    s.storage.retry("a")
    s.storage.finish(second, Succeeded())
    s.same(_run(s), ["a"], "what runs then")
    s.same(_run(s), ["c"], "what runs at last")


def an_end_counts_once(s: Scene) -> None:
    """7, law 8: an end sent twice, or by a hand that has lost the job, counts for no other."""
    s.add("a", priority=1)
    s.add("b")
    s.add("c", after=["a", "b"])
    claimed = s.claim()
    for _ in range(2):
        s.storage.finish(claimed, Succeeded())
        s.storage.finish_many([(claimed, Succeeded())])
    s.refuses(JobLost, s.storage.finish, claimed, s.failed())
    s.same(_run(s), ["b"], "what runs then")
    s.same(_run(s), ["c"], "what runs at last")


def by_hand_it_starts_before(s: Scene) -> None:
    """7: a job that waits is started by hand, and not again; a cancelled one is not started."""
    s.add("a")
    s.add("b", after=["a"])
    s.add("c", after=["a"])
    s.storage.retry("b")
    s.storage.cancel("c")
    s.same(_run(s), ["a", "b"], "what runs")
    s.same(_run(s), [], "what runs then")


def an_update_leaves_it_waiting(s: Scene) -> None:
    """7: an update leaves a job in its batch, and waiting for whom it waits, whatever it says."""
    s.add("a", batch="b")
    s.add("c", after=["a"])
    s.storage.update(s.get("c").with_metadata(seen=1))
    s.storage.update(attrs.evolve(s.get("a"), batch="other", place=3))
    s.same(s.ids_available(), ["a"], "available")
    s.same(s.storage.count(JobFilter(batch="b")), 1, "how many are in the batch")
    s.same((s.get("a").batch, s.get("a").place), ("b", None), "its batch, and its place there")
    s.same([*_run(s), *_run(s)], ["a", "c"], "what runs")


def a_batch_is_over_once_it_is_complete(s: Scene) -> None:
    """7: what comes after a batch waits until no more jobs are to come and all have ended."""
    _batch(s, "a", "b")
    s.same(_run(s), ["a", "b"], "what runs while it is open")
    s.same(_run(s), [], "what runs then")
    s.add("c", batch="b")
    _expect(s, "b", False)
    s.same(_run(s), ["c"], "what runs when it is complete")
    s.same(_run(s), ["success", "finish"], "what comes after")


def what_comes_after_a_batch_comes_once(s: Scene) -> None:
    """7: what comes after a batch comes once, also if a job of it is retried, or one is added."""
    _batch(s, "a")
    _expect(s, "b", False)
    s.same([_run(s, "a"), _run(s)], [["a"], ["finish"]], "what runs")
    s.storage.retry("a")
    s.add("c", batch="b")
    _expect(s, "b", False)
    s.same([_run(s), _run(s)], [["a", "c"], []], "what runs then")
    s.same(s.get("success").state.kind, StateKind.DELETED, "what needed its success")


def an_empty_batch_is_over_at_once(s: Scene) -> None:
    """7: a batch without jobs is over as soon as no more are to come."""
    _batch(s)
    s.same(_run(s), [], "what runs while it is open")
    _expect(s, "b", False)
    s.same(_run(s), ["success", "finish"], "what comes after")


def whatever_ends_its_last_job_ends_a_batch(s: Scene) -> None:
    """7: a batch is over by whatever ends its last job: a cancel, in bulk too, a delete, expiry."""
    ways: dict[str, Callable[[], Any]] = {
        "cancel": lambda: s.storage.cancel("a"),
        "cancel_many": lambda: s.storage.cancel_many(JobFilter(batch="b", states="enqueued")),
        "delete": lambda: s.storage.delete("a"),
        "finish as deleted": lambda: s.storage.finish(s.claim(), Deleted()),
        "expire": lambda: (s.clock.advance(5), s.storage.expire()),
        "update": lambda: s.storage.update(s.get().with_state(s.failed())),
    }
    for way, end in ways.items():
        s.storage.delete_many(JobFilter())
        _batch(s, "a", expires_at=s.later(5))
        _expect(s, "b", False)
        s.same(s.ids_available(), ["a"], f"available before {way}")
        end()
        s.same(_run(s), ["finish"], f"what comes after {way}")
        s.same(s.get("success").state.kind, StateKind.DELETED, f"what needed success, by {way}")


def delete_many_removes_what_comes_after(s: Scene) -> None:
    """7: delete_many removes all that a filter names, also what comes after a batch that it ends:
    the end of its last job, which is newer, changes them first."""
    for where, count in ((JobFilter(), 4), (JobFilter(states=["enqueued", "scheduled"]), 3)):
        _batch(s, "a")
        s.storage.finish(s.claim(), Succeeded())
        s.add("late", batch="b")
        _expect(s, "b", False)
        s.same(s.storage.delete_many(where), count, "how many")
        s.same(s.storage.get_job_counts()[StateKind.DELETED], 0, "how many are left, cancelled")


def a_rescue_that_gives_up_ends_a_batch(s: Scene) -> None:
    """7: a job whose worker was lost has ended when it is given up, and not before."""
    _batch(s, "a", max_retries=1)
    _expect(s, "b", False)
    for what in ([], ["finish"]):
        s.clock.advance(1e6)
        s.claim(lease=1)
        s.clock.advance(1)
        s.storage.rescue()
        s.same(_run(s), what, "what runs after a rescue")


def a_batch_tells_how_far_it_is(s: Scene) -> None:
    """7: the progress of a batch: its jobs by state, and whether more are to come."""
    _batch(s, "a", "b")
    s.add("other", batch="c")
    s.storage.finish(s.claim(), Succeeded())
    expected = dict.fromkeys(StateKind, 0) | {StateKind.SUCCEEDED: 1, StateKind.ENQUEUED: 1}
    s.same(answer(s.storage, "progress", "b"), (expected, True), "while it is open")
    _expect(s, "b", False)
    s.same(answer(s.storage, "progress", "b"), (expected, False), "when it is complete")
    s.same(s.storage.count(JobFilter(batch="b")), 2, "how many a filter names")


def a_success_enqueues_what_follows(s: Scene) -> None:
    """7: on_success's job is enqueued in the same step as the end, once, with its limits and with
    the result if it takes that; a chain goes on as long as each succeeds."""
    second = Followup(
        "second",
        "mail",
        arguments=["page"],
        kwargs={"mode": "slow"},
        takes_result=True,
        concurrency_key="k",
        concurrency_limit=1,
        metadata={"by": "first"},
        on_success=LAST,
    )
    claimed = s.running(on_success=second)
    for _ in range(2):
        s.storage.finish(claimed, Succeeded(result=[1.0]))
    s.same(len(s.storage.list()), 2, "how many jobs there are")
    found = s.claim("w2")
    told = (found.method, found.queue, found.arguments, found.kwargs, found.concurrency_key)
    s.same(told, ("second", "mail", ["page"], {"mode": "slow", "result": [1.0]}, "k"), "of it")
    s.same(found.metadata, {"by": "first"}, "its metadata")
    s.storage.finish(found, Succeeded())
    last = s.claim("w3")
    s.same((last.method, last.arguments, last.kwargs), ("last", [], {}), "of the last")


def only_a_success_is_followed(s: Scene) -> None:
    """7: no other end enqueues what follows on a success, nor does a hand."""
    s.storage.finish(s.running("a", on_success=LAST), s.failed())
    s.storage.finish(s.running("b", on_success=LAST), Deleted())
    s.storage.finish(s.running("c", on_success=LAST), s.retry_in(60))
    lost = s.running("d", on_success=LAST)
    s.storage.cancel("d")
    s.storage.finish_many([(lost, Succeeded())])
    s.storage.enqueue(s.job("e", on_success=LAST, state=Succeeded()))
    s.same([job.id for job in s.storage.list()], [*"edcba"], "the jobs there are")
