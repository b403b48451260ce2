"""Checks of claiming: one owner, the order, due times, queues."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import attrs

from ...values.errors import ConfigurationError
from ...values.states import AwaitingRetry, Processing, StateKind, Succeeded
from .scene import A_MICROSECOND, Scene


def a_claim_moves_to_processing(s: Scene) -> None:
    """2: a claim moves to Processing, raises attempt, fence and version, and gives a lease."""
    s.same(s.storage.fetch_and_lock_job("w1"), None, "a claim of nothing")
    s.add()
    s.clock.advance(3)
    claimed = s.claim("w1")
    assert isinstance(claimed.state, Processing)
    s.same((claimed.state.worker_id, claimed.state.started_at), ("w1", s.clock.now()), "who, when")
    s.same((claimed.attempt, claimed.fence, claimed.version), (1, 1, 1), "attempt, fence, version")
    s.same(claimed.lease_expires_at, s.later(30), "the end of the default lease")
    s.same(s.get(), claimed, "the stored job")


def a_lease_is_as_long_as_asked(s: Scene) -> None:
    """2: lease_seconds is the lease of the claim, fractions included."""
    s.add("a")
    s.add("b")
    s.same(s.claim(lease=0.25).lease_expires_at, s.later(0.25), "the end of a single's lease")
    [job] = s.storage.fetch_available_jobs_atomic("w1", 1, lease_seconds=90)
    s.same(job.lease_expires_at, s.later(90), "the end of a batch's lease")


def a_claimed_job_is_not_claimed_again(s: Scene) -> None:
    """Law 1, 4: a job is given to one worker per claim; a lapsed claim waits for its rescue."""
    s.running()
    for seconds in (0.0, 30.0, 1000.0):
        s.clock.advance(seconds)
        for worker in ("w1", "w2"):
            s.same(s.storage.fetch_and_lock_job(worker), None, f"a claim by {worker}")
        s.same(s.ids_available(), [], "the available jobs")


def the_order_is_priority_then_age(s: Scene) -> None:
    """Law 2: higher priority first, then first in, first out by the order of enqueueing."""
    s.add("a", priority=-1)
    s.storage.enqueue_many([s.job("b"), s.job("c", priority=5), s.job("d")])
    s.add("e", priority=5)
    s.same(s.ids_available(), [*"cebda"], "the available jobs")
    s.same([s.claim().id for _ in range(2)], [*"ce"], "claims of one")
    s.same(s.ids_claimed(), [*"bda"], "a claim of many")


def the_order_survives_a_second_try(s: Scene) -> None:
    """Law 2: a job that comes back keeps its place in the order of enqueueing."""
    for name in "abc":
        s.add(name)
    first, second = s.claim(), s.claim()
    s.storage.release(second)
    s.storage.finish(first, s.retry_in(0))
    s.same(s.ids_claimed(), [*"abc"], "the next claim")


def available_is_what_a_claim_takes(s: Scene) -> None:
    """2: get_available_jobs is what a claim could take now, in the order it would take it."""
    for number in range(12):
        state = s.due_in(number - 6) if number % 2 else None
        s.add(str(number), priority=number % 3, **({"state": state} if state else {}))
    s.storage.finish(s.claim(), s.retry_in(0))
    s.storage.try_acquire_job_lock("2", "other", 60)
    expected = s.ids_available()
    s.same([j.id for j in s.storage.get_available_jobs(3)], expected[:3], "the first three")
    s.same(s.ids_claimed(2) + s.ids_claimed(), expected, "claims of two and of the rest")


def due_jobs_are_claimed_and_never_early(s: Scene) -> None:
    """Law 3: a claim takes Scheduled and AwaitingRetry jobs the moment they are due, never early;
    until then they read Scheduled or AwaitingRetry."""
    s.add("a", state=s.due_in(10))
    s.add("b", state=AwaitingRetry(s.clock.now(), s.later(10), 1, "E"))
    s.clock.advance(10 - A_MICROSECOND)
    s.same(s.ids_available(), [], "available a microsecond before")
    s.same(s.storage.fetch_and_lock_job("w1"), None, "a claim a microsecond before")
    s.clock.advance(A_MICROSECOND)
    s.same(s.ids_available(), ["a", "b"], "available when due")
    s.same(s.get("a").state.kind, StateKind.SCHEDULED, "the state when due")
    s.same(s.ids_claimed(), ["a", "b"], "a claim when due")


def a_due_job_keeps_its_place(s: Scene) -> None:
    """Law 3: a due job competes by priority and the order of enqueueing, not by its due time."""
    s.add("late", state=s.due_in(20))
    s.add("soon", state=s.due_in(10))
    s.add("now")
    s.add("urgent", state=s.due_in(15), priority=1)
    s.clock.advance(20)
    s.same(s.ids_claimed(), ["urgent", "late", "soon", "now"], "the claim")


def many_due_at_once_are_all_claimed(s: Scene) -> None:
    """Law 3: when more than 1,000 fall due at once, each is claimed, once."""
    count = 1_100
    s.storage.enqueue_many([s.job(str(n), state=s.due_in(5)) for n in range(count)])
    s.clock.advance(5)
    s.same(len(s.ids_available()), count, "how many are available")
    taken = [job for _ in range(12) for job in s.ids_claimed(100)]
    s.same(sorted(taken, key=int), [str(n) for n in range(count)], "the claimed jobs")
    s.same(taken[:1000], sorted(taken[:1000], key=int), "the order within the first thousand")


def queues_are_one_pool(s: Scene) -> None:
    """Law 2: None is every queue; a list means those queues only, as one pool."""
    for number, queue in enumerate(["x", "y", "z", "x", "y"]):
        s.add(str(number), queue=queue, priority=int(number == 3))
    s.same(s.ids_claimed(queues=["nobody's"]), [], "an empty queue")
    s.same(s.ids_claimed(2, queues=["y", "x"]), ["3", "0"], "two queues, the best two")
    s.same(s.ids_claimed(queues=("z",)), ["2"], "one queue")
    s.same(s.ids_claimed(queues=["x", "x", "y"]), ["1", "4"], "a queue named twice")
    s.add("last", queue="z")
    s.same(s.ids_claimed(queues=None), ["last"], "every queue")


def no_queues_is_an_error(s: Scene) -> None:
    """Law 2: an empty list of queues is an error."""
    s.add()
    s.refuses(ConfigurationError, s.storage.fetch_and_lock_job, "w1", [])
    s.refuses(ConfigurationError, s.storage.fetch_available_jobs_atomic, "w1", 5, [])


def a_batch_is_ten_unless_said(s: Scene) -> None:
    """2: fetch_available_jobs_atomic takes up to ``limit`` jobs, ten by default."""
    s.storage.enqueue_many([s.job(f"{number:02}") for number in range(20)])
    s.same(len(s.storage.fetch_available_jobs_atomic("w1")), 10, "the default batch")
    s.same(s.ids_claimed(3), ["10", "11", "12"], "a batch of three")
    s.same(len(s.ids_claimed(50)), 7, "a batch of fifty")


def each_job_has_one_owner(s: Scene) -> None:
    """Law 1: whatever threads do at once, a job is given to one worker per claim."""
    jobs, threads = 120, 8
    s.storage.enqueue_many([s.job(str(number)) for number in range(jobs)])
    start = Barrier(threads)

    def work(number: int) -> list[str]:
        start.wait()
        taken: list[str] = []
        while len(taken) <= jobs and (more := s.ids_claimed(1 + number % 3, f"w{number}")):
            taken += more
        return taken

    with ThreadPoolExecutor(threads) as pool:
        shares = list(pool.map(work, range(threads)))
    taken = sorted((job for share in shares for job in share), key=int)
    s.same(taken, [str(number) for number in range(jobs)], "the claimed jobs")
    for share in shares:
        s.same(share, sorted(share, key=int), "the order of one worker's claims")


def the_fence_is_never_used_again(s: Scene) -> None:
    """1: fence is raised by every claim and never reused, also when a claim is handed back."""
    s.add(max_retries=9)
    fences = [0]
    for end in ("release", "retry", "lapse", "by hand", "claim"):
        claimed = s.claim(lease=1)
        assert claimed.fence > fences[-1], f"fence {claimed.fence} after {fences}"
        fences.append(claimed.fence)
        if end == "release":
            s.storage.release(claimed)
        elif end == "retry":
            s.storage.finish(claimed, s.retry_in(0))
        elif end == "lapse":
            s.clock.advance(1)
            s.storage.rescue()
            s.clock.advance(1000)
        elif end == "by hand":
            s.storage.finish(claimed, s.failed())
            s.storage.retry("a")


def a_claim_does_not_touch_the_rest(s: Scene) -> None:
    """2: a claim changes state, attempt, fence, version and lease, and nothing else."""
    s.add(arguments=[1], kwargs={"k": 2}, metadata={"m": 3}, priority=4, job_type="t")
    before = s.get()
    claimed = s.claim()
    expected = attrs.evolve(
        before,
        state=claimed.state,
        attempt=1,
        fence=1,
        version=1,
        lease_expires_at=claimed.lease_expires_at,
    )
    s.same(claimed, expected, "the claimed job")
    s.storage.finish(claimed, Succeeded())
    s.same(s.get().kwargs, {"k": 2}, "its kwargs in the end")


def a_claim_tells_when_the_next_falls_due(s: Scene) -> None:
    """Law 3: a claim tells when to come again; a storage made of a driver has ``claim``."""
    if not hasattr(s.storage, "claim"):
        return
    s.same(s.storage.claim("w1", 1).next_due, None, "the next of none")
    s.add("a", state=s.due_in(20.5))
    s.add("b", state=s.due_in(7200))
    s.add("c")
    batch = s.storage.claim("w1", 5)
    s.same(([job.id for job in batch.jobs], batch.next_due), (["c"], s.later(20.5)), "a claim")
    s.add("d", concurrency_key="k", concurrency_limit=1)
    s.add("e", concurrency_key="k", concurrency_limit=1)
    batch = s.storage.claim("w1", 5, lease_seconds=10)
    opens = batch.next_due or s.later(7200)
    assert opens <= s.later(10), f"a limit opens in 10 seconds, and not at {opens}"
