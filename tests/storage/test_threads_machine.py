"""Threads claim, finish and release at once: no job twice at one time, none lost, order kept."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qml import Failed, Job, JobLost, StateKind, Storage, Succeeded
from qml.drivers.memory import MemoryDriver
from qml.seam.rows import Available, Claimed, Lapsed, as_claimed
from qml.testing import ManualClock

SETTINGS = settings(
    max_examples=max(20, settings.default.max_examples // 4),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SHIFTS = st.lists(
    st.fixed_dictionaries(
        {
            "batch": st.sampled_from([None, 1, 2, 5, 10]),  # None: single claims
            "queues": st.sampled_from([None, ["a"], ["b"], ["b", "a"]]),
            "releases": st.integers(0, 3),  # so many of its first claims go back
            "finishes": st.booleans(),
        }
    ),
    min_size=4,
    max_size=16,
)
"""What each thread does."""

JOBS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(-1, 2)), min_size=1, max_size=60)
"""Queue and priority of each job."""


class Watch:
    """Who has which job now, told by the workers themselves; notes a job in two hands."""

    def __init__(self):
        self.lock = threading.Lock()
        self.held = {}
        self.fences = Counter()
        self.wrong = []

    def took(self, job, worker):
        with self.lock:
            other = self.held.setdefault(job.id, worker)
            if other != worker:
                self.wrong.append(f"{job.id} is held by {other} and given to {worker}")
            self.fences[job.id, job.fence] += 1
            if self.fences[job.id, job.fence] > 1:
                self.wrong.append(f"fence {job.fence} of {job.id} was given twice")

    def lets_go(self, job):
        """Before the storage hears of it: from then on it may be another's."""
        with self.lock:
            del self.held[job.id]


class Worker:
    """One thread's work, until it finds nothing."""

    def __init__(self, storage, watch, name, shift):
        self.storage, self.watch, self.name, self.shift = storage, watch, name, shift
        self.streams = []  # what each claim gave, in order
        self.kept, self.finished = [], []
        self.releases = shift["releases"]

    def run(self, start):
        start.wait()
        while jobs := self.claim():
            self.streams.append(jobs)
            for job in jobs:
                self.watch.took(job, self.name)
            self.end(jobs)

    def claim(self):
        if self.shift["batch"] is None:
            job = self.storage.fetch_and_lock_job(self.name, self.shift["queues"])
            return [job] if job else []
        return self.storage.fetch_available_jobs_atomic(
            self.name, self.shift["batch"], self.shift["queues"]
        )

    def end(self, jobs):
        back, jobs = jobs[: self.releases], jobs[self.releases :]
        self.releases -= len(back)
        for job in back:
            self.watch.lets_go(job)
            self.storage.release(job)
        if self.shift["finishes"]:
            self.finish(jobs)
        else:
            self.kept += jobs

    def finish(self, jobs):
        for job in jobs:
            self.watch.lets_go(job)
        done = self.storage.finish_many([(job, Succeeded(result=self.name)) for job in jobs])
        assert not [answer for answer in done if isinstance(answer, JobLost)]
        self.finished += jobs


def work(storage, shifts):
    """All shifts at once, each in a thread of its own; an error of any is an error here."""
    watch, start = Watch(), threading.Barrier(len(shifts))
    workers = [Worker(storage, watch, f"w{i}", shift) for i, shift in enumerate(shifts)]
    with ThreadPoolExecutor(len(shifts)) as pool:
        for future in [pool.submit(worker.run, start) for worker in workers]:
            future.result()
    assert watch.wrong == []
    return workers


def rank(job):
    return (-job.priority, int(job.id))


@SETTINGS
@given(JOBS, SHIFTS)
def test_threads_claim_at_once(make_storage, jobs, shifts):
    clock = ManualClock()
    with make_storage(clock) as storage:
        storage.enqueue_many(
            [Job("t", id=str(i), queue=q, priority=p) for i, (q, p) in enumerate(jobs)]
        )
        workers = work(storage, shifts)
        after = {job.id: job for job in storage.list()}
        assert_nothing_is_lost(after, jobs, workers)
        assert_order_is_kept(workers)


def assert_nothing_is_lost(after, jobs, workers):
    finished = Counter(job.id for worker in workers for job in worker.finished)
    kept = Counter(job.id for worker in workers for job in worker.kept)
    worked = {queue for worker in workers for queue in worker.shift["queues"] or "ab"}
    assert len(after) == len(jobs)
    for job_id, job in after.items():
        ends = {
            StateKind.SUCCEEDED: (1, 0),
            StateKind.PROCESSING: (0, 1),
            StateKind.ENQUEUED: (0, 0),
        }
        assert (finished[job_id], kept[job_id]) == ends[job.state.kind]
        # A thread stops only when nothing is there for it, so only a job that somebody gave
        # back after all others had stopped may be left; its giver looks again, and takes it.
        assert (job.state.kind == StateKind.ENQUEUED) == (job.queue not in worked)
        assert job.attempt == finished[job_id] + kept[job_id]


def assert_order_is_kept(workers):
    for worker in workers:
        for jobs in worker.streams:
            assert [*map(rank, jobs)] == sorted(map(rank, jobs))
    if not any(worker.shift["releases"] for worker in workers):
        for worker in workers:  # nothing comes back, so all its claims together are in order
            stream = [rank(job) for jobs in worker.streams for job in jobs]
            assert stream == sorted(stream)


def test_sixteen_threads_and_two_thousand_jobs(storage):
    """One storage object, 16 threads: no double (field.md, claims)."""
    storage.enqueue_many([Job("t", id=str(number)) for number in range(2_000)])
    shift = {"batch": 7, "queues": None, "releases": 0, "finishes": True}
    single = {**shift, "batch": None}
    workers = work(storage, [shift] * 12 + [single] * 4)
    finished = [job.id for worker in workers for job in worker.finished]
    assert sorted(finished, key=int) == [str(number) for number in range(2_000)]
    assert storage.get_job_counts()[StateKind.SUCCEEDED] == 2_000


@pytest.mark.parametrize("round_number", range(5))
def test_a_finish_races_with_the_rescue(make_storage, clock, round_number):
    """A lapsed claim ends by its own finish or by a rescue, never by both (River 1302)."""
    storage = make_storage(clock)
    storage.enqueue_many([Job("t", id=str(number)) for number in range(200)])
    claimed = storage.fetch_available_jobs_atomic("w", 200)
    clock.advance(30)
    start = threading.Barrier(3)

    def finish(jobs):
        start.wait()
        done = [storage.finish_many([(job, Succeeded(result="w"))])[0] for job in jobs]
        return [job.id for job in done if isinstance(job, Job)]

    def rescue():
        start.wait()
        pages = [storage.rescue(20) for _ in range(20)]
        return [job.id for page in pages for job in page]

    with ThreadPoolExecutor(3) as pool:
        from_the_start = pool.submit(finish, claimed[:100])
        from_the_end = pool.submit(finish, claimed[:99:-1])
        rescued = pool.submit(rescue).result()
        finished = from_the_start.result() + from_the_end.result()
    assert sorted(finished + rescued, key=int) == [str(number) for number in range(200)]
    after = {job.id: job for job in storage.list()}
    assert {after[i].state.kind for i in finished} <= {StateKind.SUCCEEDED}
    assert {after[i].state.kind for i in rescued} <= {StateKind.AWAITING_RETRY}
    assert all(len(after[i].failures) == (i in rescued) for i in after)


class Gap:
    """A driver under which something happens between a rescue's look and its write."""

    def __init__(self, driver, happens):
        self.driver, self.happens = driver, happens

    def __getattr__(self, name):
        return getattr(self.driver, name)

    def scan(self, query):
        rows = self.driver.scan(query)
        if isinstance(query, Lapsed):
            self.happens()
        return rows


def rescue_with_a_gap(storage, clock, happens):
    """A lapsed claim, and a rescue that pauses; what the rescue says and what the job is then."""
    storage.enqueue_many([Job("t", id="a", max_retries=5), Job("t", id="orphan", priority=-1)])
    claimed, _ = storage.fetch_available_jobs_atomic("w1", 2)
    clock.advance(30)
    driver = storage.driver
    storage.driver = Gap(driver, lambda: happens(storage, claimed))
    rescued = [job.id for job in storage.rescue()]
    storage.driver = driver
    return rescued, storage.get("a")


def completes(storage, claimed):
    storage.finish(claimed, Succeeded(result=1))


def completes_and_is_claimed_again(storage, claimed):
    storage.finish(claimed, Failed(exception="E"))
    storage.retry("a")
    storage.fetch_and_lock_job("w2")


def renews(storage, claimed):
    assert storage.renew([claimed]) == [True]


@pytest.mark.parametrize(
    ("happens", "kind", "attempt", "failures"),
    [
        (completes, StateKind.SUCCEEDED, 1, 0),
        (completes_and_is_claimed_again, StateKind.PROCESSING, 2, 1),
        (renews, StateKind.PROCESSING, 1, 0),
    ],
)
def test_a_paused_rescue_overwrites_nothing(storage, clock, happens, kind, attempt, failures):
    """Only real rescues are counted (River 1302)."""
    rescued, job = rescue_with_a_gap(storage, clock, happens)
    assert rescued == ["orphan"]
    assert (job.state.kind, job.attempt, len(job.failures)) == (kind, attempt, failures)


def test_a_rescue_by_id_alone_would_be_found(clock):
    class RescueByIdAlone(MemoryDriver):
        def swap(self, changes):
            [*rows] = self.load([change.id for change in changes])
            return super().swap(
                [
                    change._replace(version=row.version, lapsed_by=None)
                    for change, row in zip(changes, rows, strict=True)
                ]
            )

    storage = Storage(RescueByIdAlone(None), clock=clock)
    rescued, job = rescue_with_a_gap(storage, clock, completes)
    assert (rescued, job.state.kind) == (["a", "orphan"], StateKind.AWAITING_RETRY)


def test_a_claim_in_two_steps_would_be_found(clock):
    class LooksThenTakes(MemoryDriver):
        def claim(self, claim):
            best = self.scan(Available(claim.now, claim.limit))
            time.sleep(0.001)
            with self.lock:
                taken = [as_claimed(row, claim, rank) for rank, row in enumerate(best)]
                for row in taken:
                    self._table.replace(row)
            return Claimed(taken, None)

    storage = Storage(LooksThenTakes(None), clock=clock)
    storage.enqueue_many([Job("t", id=str(number)) for number in range(100)])
    shift = {"batch": 3, "queues": None, "releases": 0, "finishes": False}
    with pytest.raises(AssertionError, match="is held by"):
        work(storage, [shift] * 8)


def test_two_locks_at_once(make_storage, clock):
    """Clock frozen, many takers at one instant: one owner (q1 234)."""
    storage = make_storage(clock)
    storage.enqueue_many([Job("t", id=str(number)) for number in range(30)])
    start = threading.Barrier(8)

    def take(worker):
        start.wait()
        return [storage.try_acquire_job_lock(str(number), worker, 5) for number in range(30)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(take, [f"w{number}" for number in range(8)]))
    assert [sum(column) for column in zip(*answers, strict=True)] == [1] * 30
