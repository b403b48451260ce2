"""Jobs that share something: a limit, a batch, a queue that is paused, or one after the other.

What may be done to them is less than to a job alone: only what touches the others.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ...values.followup import Followup
from ...values.job import Job
from ...values.states import Failed
from ..asking import answer
from .operations import ANYBODYS, CLAIMS, JOB, TWIN, WORKERS, Act, Start
from .setting import Claims, Setting

ONE, BATCH, QUEUE = "one", "n", "default"
"""The concurrency key, the batch, the queue that is paused."""

LIMIT: dict[str, Any] = {"concurrency_key": ONE, "concurrency_limit": 1}


def _job(now: Any, job_id: str, method: str = "task", **fields: Any) -> Job:
    return Job(method, id=job_id, created_at=now, max_retries=1, **fields)


def _add(at: Setting, job_id: str, method: str = "task", **fields: Any) -> None:
    at.storage.enqueue(_job(at.clock.now(), job_id, method, **fields))


# -- limits -------------------------------------------------------------------------------------


def limit_reached(at: Setting) -> Claims:
    """Claimed by w1, and no other of its key may run at the same time; another waits."""
    _add(at, JOB, **LIMIT)
    claim = at.claim()
    _add(at, TWIN, **LIMIT)
    return {"w1": claim}


def limit_lapsed(at: Setting) -> Claims:
    """The same, and the lease of w1 has just lapsed."""
    claims = limit_reached(at)
    at.clock.advance(30)
    return claims


def limit_passed_on(at: Setting) -> Claims:
    """The same, and w2 has the other job by now, in the place of w1."""
    claims = limit_lapsed(at)
    return {**claims, "w2": at.claim("w2")}


def limit_reached_by_a_cancelled_run(at: Setting) -> Claims:
    """Cancelled while w1 runs it, which goes on; another of its key waits."""
    claims = limit_reached(at)
    at.storage.cancel(JOB)
    return claims


# -- batches ------------------------------------------------------------------------------------


def _batch(at: Setting, *members: str) -> None:
    """A batch, open, with these jobs, what comes after it if all is well, and in any case."""
    expect(at.storage, more=True)
    _add(at, "all", "after", after_batch=BATCH)
    _add(at, "any", "after", after_batch=BATCH, needs_success=False)
    for job_id in members:
        _add(at, job_id, batch=BATCH)


def last_two_of_a_batch(at: Setting) -> Claims:
    """The last two of a batch are run by w1 and w2; two others wait for its end."""
    _batch(at, JOB, TWIN)
    expect(at.storage, more=False)
    return {"w1": at.claim(), "w2": at.claim("w2")}


def batch_still_open(at: Setting) -> Claims:
    """The one job of a batch is run by w1; more may come."""
    _batch(at, JOB)
    return {"w1": at.claim()}


def batch_with_a_failure(at: Setting) -> Claims:
    """Of the two jobs of a batch w1 failed with the one, and w2 runs the other."""
    _batch(at, JOB, TWIN)
    expect(at.storage, more=False)
    claims = {"w1": at.claim(), "w2": at.claim("w2")}
    at.storage.finish(claims["w1"], Failed(at.clock.now(), "ValueError: no", "Traceback", 0))
    return claims


# -- one after the other ------------------------------------------------------------------------


def parent_runs(at: Setting) -> Claims:
    """Run by w1; another job is to come after it, and waits."""
    _add(at, JOB)
    _add(at, "child", "after", after=[JOB])
    return {"w1": at.claim()}


def two_parents_run(at: Setting) -> Claims:
    """Run by w1, another by w2; a third is to come after both, and waits."""
    _add(at, JOB)
    _add(at, TWIN)
    _add(at, "child", "after", after=[JOB, TWIN])
    return {"w1": at.claim(), "w2": at.claim("w2")}


def chain_runs(at: Setting) -> Claims:
    """Claimed by w1, whose lease has just lapsed; its success is followed by another job."""
    _add(at, JOB, on_success=Followup("after", on_success=Followup("after that")))
    claim = at.claim()
    at.clock.advance(30)
    return {"w1": claim}


# -- queues -------------------------------------------------------------------------------------


def queue_runs(at: Setting) -> Claims:
    """Two jobs wait in a queue."""
    _add(at, JOB)
    _add(at, TWIN, **LIMIT)
    return {}


def queue_paused(at: Setting) -> Claims:
    """Two jobs wait in a queue that is paused."""
    claims = queue_runs(at)
    at.storage.queues.pause(QUEUE)
    return claims


# -- what is done -------------------------------------------------------------------------------


def expect(storage: Any, *, more: bool) -> Any:
    """Say whether more of the batch are to come."""
    return answer(storage, "expect", BATCH, more)


def _enqueue(storage: Any, start: Start, job_id: str = "c", **fields: Any) -> Any:
    return storage.enqueue(_job(storage.now(), job_id, **fields))


def _child(storage: Any, start: Start, **fields: Any) -> Any:
    return _enqueue(storage, start, "child too", method="after", after=[JOB], **fields)


def _to(verb: str, job_id: str, storage: Any, start: Start) -> Any:
    return getattr(storage, verb)(job_id)


ACTS: dict[str, Act] = {
    **{name: ANYBODYS[name] for name in ("rescue", "cancel", "retry", "delete", "cancel all")},
    "w3 claim": partial(WORKERS["claim"], "w3"),
    "w2 lock": partial(WORKERS["lock"], "w2"),
    "enqueue limited": partial(_enqueue, **LIMIT),
    "enqueue member": partial(_enqueue, method="more", batch=BATCH),
    "enqueue child": _child,
    "enqueue child in any case": partial(_child, needs_success=False),
    "enqueue after batch": partial(_enqueue, method="after", after_batch=BATCH),
    "close": lambda storage, start: expect(storage, more=False),
    "open": lambda storage, start: expect(storage, more=True),
    "pause": lambda storage, start: storage.queues.pause(QUEUE),
    "resume": lambda storage, start: storage.queues.resume(QUEUE),
    **{f"cancel {job_id}": partial(_to, "cancel", job_id) for job_id in (TWIN, "any", "child")},
    **{f"delete {job_id}": partial(_to, "delete", job_id) for job_id in (TWIN, "any", "child")},
    **{f"retry {job_id}": partial(_to, "retry", job_id) for job_id in ("any", "child")},
}
"""What anybody does, by name."""


def _acts(
    *names: str, ends: str = "succeed fail release renew"
) -> Callable[[Start], dict[str, Act]]:
    """These, and of each claim these ends."""

    def acts(start: Start) -> dict[str, Act]:
        found = {name: ACTS[name] for name in names}
        of_claims = {
            f"{hand} {name}": partial(CLAIMS[name], hand)
            for hand in start.claims
            for name in ends.split()
        }
        return found | of_claims

    return acts


_LIMIT = (
    *("rescue", "cancel", "delete", "cancel b", "delete b"),
    *("w3 claim", "w2 lock", "enqueue limited"),
)
_BATCH = (
    *("cancel", "delete", "w3 claim", "enqueue member", "enqueue after batch"),
    *("close", "open", "cancel any"),
)
_CHILD = ("cancel", "retry", "w3 claim", "cancel child")
_QUEUE = ("pause", "resume", "w3 claim", "cancel", "cancel b", "enqueue limited")

SITUATIONS = (
    (limit_reached, _acts(*_LIMIT)),
    (limit_lapsed, _acts(*_LIMIT)),
    (limit_passed_on, _acts(*_LIMIT)),
    (limit_reached_by_a_cancelled_run, _acts(*_LIMIT)),
    (last_two_of_a_batch, _acts(*_BATCH, *("cancel all", "retry any", "delete any"))),
    (batch_still_open, _acts(*_BATCH, "retry", ends="succeed fail")),
    (batch_with_a_failure, _acts(*_BATCH, "retry", ends="succeed fail")),
    (parent_runs, _acts(*_CHILD, *("enqueue child", "enqueue child in any case", "retry child"))),
    (two_parents_run, _acts(*_CHILD, *("delete", "delete child"), ends="succeed fail")),
    (chain_runs, _acts("rescue", "cancel", "retry", "delete", "w3 claim", "w2 lock")),
    (queue_runs, _acts(*_QUEUE)),
    (queue_paused, _acts(*_QUEUE)),
)
"""How each is prepared, and what may be done from there."""
