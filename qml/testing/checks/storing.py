"""Checks of storing and looking: enqueue, get, update, delete, list, counts."""

from typing import Any

import attrs

from ...values.errors import (
    ConcurrentModification,
    JobAlreadyExists,
    JobNotFound,
    SerializationError,
    UniqueKeyTaken,
    WaitTimeout,
)
from ...values.followup import Followup
from ...values.job import Job
from ...values.retention import Retention
from ...values.states import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    Processing,
    Scheduled,
    StateKind,
    Succeeded,
)
from ...values.trusted import changed
from .scene import Scene


def enqueue_stores_the_job_as_given(s: Scene) -> None:
    """2: enqueue stores the job as given, in any state, and returns it."""
    now = s.clock.now()
    states = [
        Enqueued(now, "elsewhere"),
        Scheduled(now, s.later(-5), "a reason"),
        Succeeded(now, 12.5, ["done"]),
        Failed(now, "ValueError: no", "Traceback", 3),
        Deleted(now, None),
        AwaitingRetry(now, s.later(5), 2, "ValueError: no"),
    ]
    for number, state in enumerate(states):
        job = s.job(str(number), state=state, priority=-number, max_retries=1)
        s.same(s.storage.enqueue(job).state, state, f"the returned {state.kind} job")
        expected = attrs.evolve(job, max_attempts=2)
        s.same(s.get(job.id), expected, f"the stored {state.kind} job")


def a_job_enqueued_in_processing_has_the_default_lease(s: Scene) -> None:
    """2: a job given in Processing is held by its worker for the default lease, 30 s."""
    s.add(state=Processing(s.clock.now(), "w1", "a server"))
    s.same(s.get().lease_expires_at, s.later(30), "the end of its lease")
    assert s.storage.finish(s.get(), Succeeded()).state.kind == StateKind.SUCCEEDED


def every_field_comes_back(s: Scene) -> None:
    """1: what a job was given comes back as it was, whatever its fields."""
    job = Job(
        "módulo.tarea 😀",
        [1, "two"],
        {"": None},
        queue="låda 1; --'\"",
        priority=-(2**31) + 1,
        max_retries=0,
        timeout_seconds=0.25,
        job_type="kind",
        metadata={"b": 1, "a": [{}]},
        unique_key="ключ",
        unique_while="queued",
        created_at=s.later(-0.123457),
    )
    s.storage.enqueue(job)
    s.same(s.get(job.id), attrs.evolve(job, max_attempts=1), "the stored job")


def a_taken_id_is_refused(s: Scene) -> None:
    """2, law 9: a taken id is JobAlreadyExists and leaves the stored job untouched."""
    s.add(priority=1)
    error = s.refuses(JobAlreadyExists, s.storage.enqueue, s.job(priority=2))
    s.same(error.job_id, "a", "the job_id of the error")
    assert "a" in str(error)


def a_batch_keeps_its_order(s: Scene) -> None:
    """2: enqueue_many stores the jobs in the order given and returns them in it."""
    names = ["c", "a", "b"]
    s.same([j.id for j in s.storage.enqueue_many([s.job(n) for n in names])], names, "returned")
    s.same(s.ids_available(), names, "the order of the available jobs")
    s.same(s.storage.enqueue_many([]), [], "an empty batch")


def a_batch_of_several_kinds(s: Scene) -> None:
    """2: each job of a batch is stored as it is, whatever the one before it was."""
    first, mail = s.job("plain", max_retries=0), Enqueued(s.clock.now(), "mail")
    kinds: list[dict[str, Any]] = [
        {"priority": 2},
        {},
        {"queue": "mail", "state": mail},
        {"metadata": {"n": 1}, "retention": Retention(succeeded=5.0)},
        {"unique_key": "k"},
        {"state": s.due_in(5), "unique_key": "l"},
        {"max_retries": 3, "timeout_seconds": 1.5, "expires_at": s.later(60)},
        {"concurrency_key": "c", "concurrency_limit": 1, "job_type": "kind"},
        {"batch": "night", "on_failure": Followup("mend")},
    ]
    jobs = [first]
    for number, fields in enumerate(kinds):
        one = changed(first, id=f"{number}", arguments=[number], **fields)
        jobs += [one, changed(one, id=f"{number} too", kwargs={"n": number}, unique_key=None)]
    stored = s.storage.enqueue_many(jobs)
    s.same([s.get(job.id) for job in jobs], stored, "the stored jobs")
    given = [changed(job, max_attempts=1 + (job.max_retries or 0)) for job in jobs]
    s.same([changed(job, seq=None) for job in stored], given, "the jobs of the batch")


def a_batch_is_all_or_nothing(s: Scene) -> None:
    """2: enqueue_many stores all or nothing, and names what stood in the way."""
    s.add("a", unique_key="k")
    many = s.storage.enqueue_many
    taken = s.refuses(JobAlreadyExists, many, [s.job("b"), s.job("a"), s.job("c")])
    s.same(taken.job_id, "a", "the id in the way")
    keyed = s.refuses(UniqueKeyTaken, many, [s.job("b"), s.job("c", unique_key="k")])
    s.same(keyed.job_id, "a", "the holder of the key")
    twice = s.refuses(JobAlreadyExists, many, [s.job("b"), s.job("b")])
    s.same(twice.job_id, "b", "the id given twice")
    twins = [s.job("b", unique_key="new"), s.job("c", unique_key="new")]
    s.same(s.refuses(UniqueKeyTaken, many, twins).job_id, "b", "the twin within the batch")
    many([s.job("b", unique_key="new")])


def a_job_too_large_is_refused(s: Scene) -> None:
    """1: a job over the size limit is a SerializationError that names the size."""
    size = 8 * 1024 * 1024
    error = s.refuses(SerializationError, s.storage.enqueue, s.job(arguments=["x" * size]))
    digits = "".join(letter for letter in str(error) if letter.isdigit())
    assert str(size)[:3] in digits, f"no size in: {error}"


def an_unknown_job_is_none(s: Scene) -> None:
    """2: get of an unknown id is None; update, cancel, retry and wait say JobNotFound."""
    s.same(s.storage.get("a"), None, "get")
    s.same(s.storage.delete("a"), False, "delete")
    s.refuses(JobNotFound, s.storage.update, s.job())
    s.refuses(JobNotFound, s.storage.cancel, "a")
    s.refuses(JobNotFound, s.storage.retry, "a")
    s.refuses(JobNotFound, s.storage.wait, "a", 0)


def update_writes_the_whole_record(s: Scene) -> None:
    """2: update stores the whole record, raises its version and returns it as stored."""
    s.add()
    s.clock.advance(1)
    wanted = attrs.evolve(
        s.get().with_metadata(note="n"), queue="other", priority=3, arguments=[1.0], unique_key="k"
    )
    found = s.storage.update(wanted)
    s.same(found.version, 1, "the version")
    s.same(found, attrs.evolve(wanted, version=1), "the returned job")
    s.same(s.get(), found, "the stored job")


def a_stale_update_is_refused(s: Scene) -> None:
    """2: update of a job that changed since it was read is ConcurrentModification."""
    s.add()
    old = s.get()
    s.storage.update(old.with_metadata(by="another"))
    s.refuses(ConcurrentModification, s.storage.update, old.with_metadata(by="me"))
    old = s.get()
    claimed = s.claim()
    s.refuses(ConcurrentModification, s.storage.update, old.with_metadata(by="me"))
    s.storage.finish(claimed, Succeeded())
    s.refuses(ConcurrentModification, s.storage.update, claimed.with_metadata(by="me"))


def an_update_knows_the_job_behind_the_id(s: Scene) -> None:
    """2: an id that was deleted and enqueued again is another job, whatever its version."""
    s.add()
    old = s.get()
    s.storage.delete("a")
    s.refuses(JobNotFound, s.storage.update, old)
    s.add()
    s.refuses(ConcurrentModification, s.storage.update, old.with_metadata(by="me"))


def update_to_processing_is_a_claim(s: Scene) -> None:
    """2: moving a job to Processing by hand gives state.worker_id a default lease and a fence."""
    s.add()
    moved = s.storage.update(s.get().with_state(Processing(s.clock.now(), "by hand", "here")))
    s.same(moved.lease_expires_at, s.later(30), "the end of its lease")
    s.same((moved.attempt, moved.fence, moved.version), (1, 1, 1), "attempt, fence, version")
    s.same(s.storage.renew([moved]), [True], "its renewal")
    s.same(s.storage.finish(moved, Succeeded()).version, 2, "the version after its finish")


def update_leaves_the_claim_alone(s: Scene) -> None:
    """2, law 4: a record updated while it runs keeps worker, fence, attempt and lease."""
    claimed = s.running()
    forged = attrs.evolve(claimed, fence=9, attempt=9, lease_expires_at=None, metadata={"n": 1})
    found = s.storage.update(forged)
    expected = attrs.evolve(claimed, metadata={"n": 1}, version=claimed.version + 1)
    s.same(found, expected, "the updated job")
    s.same(s.storage.renew([claimed]), [True], "the renewal of its claim")


def delete_removes_record_lock_and_key(s: Scene) -> None:
    """2: delete removes the record and its lock, whatever its state; the id is free at once."""
    s.add(unique_key="k")
    s.storage.try_acquire_job_lock("a", "w1", 60)
    s.same(s.storage.delete("a"), True, "delete")
    s.same(s.storage.get("a"), None, "get")
    s.same(s.storage.delete("a"), False, "delete again")
    s.add(unique_key="k")
    s.same(s.claim("w2").attempt, 1, "the attempt of the new job")
    s.same(s.storage.delete("a"), True, "delete of a running job")


def list_is_newest_first(s: Scene) -> None:
    """2: list gives the newest first, in pages; no limit is all."""
    for name in "abcde":
        s.add(name, priority=ord(name) % 3)
    s.claim()
    read = s.storage.list
    s.same([job.id for job in read()], [*"edcba"], "list()")
    s.same([job.id for job in read(None, 2)], [*"ed"], "list(limit=2)")
    s.same([job.id for job in read(None, 2, 3)], [*"ba"], "list(limit=2, offset=3)")
    s.same([job.id for job in read(offset=4)], ["a"], "list(offset=4)")
    s.same(read(limit=0), [], "list(limit=0)")


def list_filters(s: Scene) -> None:
    """2: a filter is a state kind, its text, or several; queue and method narrow it further."""
    s.add("a", queue="mail")
    s.add("b", queue="mail", state=s.due_in(5))
    s.storage.enqueue(Job("other", id="c", queue="reports"))
    kinds = [StateKind.SCHEDULED, "enqueued"]

    def ids(*arguments: object, **keywords: str) -> list[str]:
        return [job.id for job in s.storage.list(*arguments, **keywords)]

    s.same(ids(StateKind.ENQUEUED), ["c", "a"], "by kind")
    s.same(ids("scheduled"), ["b"], "by text")
    s.same(ids(kinds), ["c", "b", "a"], "by several")
    s.same(ids(kinds, 1, 1), ["b"], "by several, a page")
    s.same(ids("failed"), [], "by a kind nobody has")
    s.same(ids(queue="mail"), ["b", "a"], "by queue")
    s.same(ids("enqueued", queue="mail"), ["a"], "by kind and queue")
    s.same(ids(method="other"), ["c"], "by method")
    s.same(ids(queue="mail", method="other"), [], "by queue and method")


def counts_have_every_kind(s: Scene) -> None:
    """2: get_job_counts has every kind, 0 included, by kind and by its text."""
    s.same(s.storage.get_job_counts(), dict.fromkeys(StateKind, 0), "of an empty storage")
    s.running()
    s.add("b")
    s.add("c", state=s.due_in(5))
    counts = s.storage.get_job_counts()
    present = (StateKind.ENQUEUED, StateKind.PROCESSING, StateKind.SCHEDULED)
    expected = {kind: int(kind in present) for kind in StateKind}
    s.same(counts, expected, "of three jobs")
    s.same(counts["enqueued"], 1, 'counts["enqueued"]')


def onlookers_change_nothing(s: Scene) -> None:
    """Law 12: reading changes nothing."""
    s.add("a")
    s.add("b", state=s.due_in(-5))
    s.running("c", priority=1)
    s.clock.advance(60)
    with s.unchanged():
        s.storage.get("a")
        s.storage.get_job_counts()
        s.storage.get_available_jobs()
        s.storage.list("enqueued", 1)
        s.refuses(WaitTimeout, s.storage.wait, "a", 0)


def wait_returns_what_has_ended(s: Scene) -> None:
    """2: wait returns a job in a final state, and says WaitTimeout of any other."""
    claimed = s.running()
    s.refuses(WaitTimeout, s.storage.wait, "a", 0)
    s.storage.finish(claimed, Succeeded(result=5))
    s.same(s.storage.wait("a", 0).state.result, 5, "the result waited for")
    s.same(s.storage.wait("a").state.result, 5, "without a limit")
