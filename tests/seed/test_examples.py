"""The seed document's examples in qml's words, one test each, named after its section.

docs/seed.rst shows the bodies of these tests; `storage` is a MemoryStorage or a SqliteStorage.
"""

import pytest

from qml import (
    ConfigurationError,
    Enqueued,
    Job,
    JobNotFound,
    MemoryConfig,
    Processing,
    SqliteConfig,
    StateKind,
    Succeeded,
    connect,
)


def test_basic_storage_operations(storage):
    # Create and store a job.
    job = Job("send_email", ["user@example.com"])
    storage.enqueue(job)

    # Read it back.
    stored = storage.get(job.id)
    assert stored == job

    # Move it to another state: a job is a value, so the move makes a new one.
    started = storage.update(stored.with_state(Processing(worker_id="w-1", server_name="s-1")))
    assert started.state.worker_id == "w-1"
    assert started.version == stored.version + 1

    # Remove it.
    assert storage.delete(job.id) is True
    assert storage.get(job.id) is None


def test_atomic_job_processing(storage):
    for number in range(5):
        storage.enqueue(Job("process_item", [number]))

    job = storage.fetch_and_lock_job("worker-1")

    # First in, first out; the claim is the lock.
    assert job.arguments == [0]
    assert job.state.kind == "processing"
    assert job.state.worker_id == "worker-1"
    assert job.lease_expires_at > storage.now()


def test_storage_backend_selection(tmp_path):
    # By URL, by configuration, or by class.
    with connect("memory://") as memory:
        assert memory.get_job_counts()["enqueued"] == 0

    with connect(MemoryConfig(max_jobs=100)) as memory:
        memory.enqueue(Job("task"))

    config = SqliteConfig(tmp_path / "jobs.db", durability="normal")
    with connect(config) as sqlite:
        sqlite.enqueue(Job("task"))

    # What is not there says what is.
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        connect("carrier-pigeon://localhost")


def test_job_filtering_and_statistics(storage):
    waiting = Job("task1")
    running = Job("task2", state=Processing(worker_id="worker-1", server_name="server-1"))
    storage.enqueue(waiting)
    storage.enqueue(running)

    assert len(storage.list()) == 2
    assert [job.method for job in storage.list("processing")] == ["task2"]

    counts = storage.get_job_counts()
    assert counts[StateKind.ENQUEUED] == 1
    assert counts["processing"] == 1
    assert counts["failed"] == 0  # every kind is there

    assert [job.method for job in storage.get_available_jobs(10)] == ["task1"]


def test_enqueue(storage):
    job = Job(
        "send_notification",
        ["user123"],
        queue="notifications",
        priority=5,
        max_retries=3,
    )
    stored = storage.enqueue(job)

    assert stored == job
    assert storage.get(job.id).queue == "notifications"


def test_get(storage):
    job = Job("process_data", ["file.csv"])
    storage.enqueue(job)

    found = storage.get(job.id)
    assert (found.id, found.method) == (job.id, "process_data")
    assert storage.get("no such id") is None


def test_update(storage):
    job = storage.enqueue(Job("process_order", ["order123"]))

    # Each update returns the job as stored; the next one builds on that.
    job = storage.update(job.with_state(Processing(worker_id="worker-1", server_name="server-1")))
    job = storage.update(job.with_metadata(processed_by="worker-1"))

    assert storage.get(job.id).metadata == {"processed_by": "worker-1"}
    assert job.version == 2

    with pytest.raises(JobNotFound):
        storage.update(Job("never_stored"))


def test_delete(storage):
    job = storage.enqueue(Job("cleanup_task"))

    assert storage.delete(job.id) is True
    assert storage.get(job.id) is None
    assert storage.delete(job.id) is False


def test_list(storage):
    for number in range(10):
        storage.enqueue(Job("task", [number]))

    assert len(storage.list()) == 10

    # The newest enqueued first.
    first_five = storage.list(limit=5)
    assert [job.arguments[0] for job in first_five] == [9, 8, 7, 6, 5]

    next_five = storage.list(limit=5, offset=5)
    assert [job.arguments[0] for job in next_five] == [4, 3, 2, 1, 0]


def test_get_job_counts(storage):
    storage.enqueue(Job("task1"))
    job = storage.enqueue(Job("task2"))
    storage.update(job.with_state(Processing(worker_id="worker-1", server_name="server-1")))

    counts = storage.get_job_counts()
    assert {kind.value: count for kind, count in counts.items() if count} == {
        "enqueued": 1,
        "processing": 1,
    }


def test_get_available_jobs(storage):
    for number in range(5):
        storage.enqueue(Job("process_item", [number]))

    available = storage.get_available_jobs(3)

    # In the order of a claim, and nothing is changed by looking.
    assert [job.arguments[0] for job in available] == [0, 1, 2]
    assert all(isinstance(job.state, Enqueued) for job in available)
    assert len(storage.get_available_jobs()) == 5


def test_fetch_and_lock_job(storage):
    for number in range(3):
        queue = "critical" if number == 0 else "normal"
        storage.enqueue(Job("process_item", [number], queue=queue, priority=number, max_retries=3))

    # From any queue: the highest priority wins.
    job = storage.fetch_and_lock_job("worker-1")
    assert (job.queue, job.arguments) == ("normal", [2])

    # From one queue only.
    critical = storage.fetch_and_lock_job("worker-2", ["critical"])
    assert critical.arguments == [0]
    assert storage.fetch_and_lock_job("worker-2", ["critical"]) is None

    # The end of the run, which the seed leaves to ``update``.
    done = storage.finish(job, Succeeded(result="ok"))
    assert done.state.result == "ok"


def test_try_acquire_job_lock(storage):
    job = storage.enqueue(Job("exclusive_task"))

    assert storage.try_acquire_job_lock(job.id, "worker-1", 300) is True
    assert storage.try_acquire_job_lock(job.id, "worker-2", 300) is False

    storage.release_job_lock(job.id, "worker-1")
    assert storage.try_acquire_job_lock(job.id, "worker-2", 300) is True


def test_release_job_lock(storage):
    job = storage.enqueue(Job("task_with_lock"))

    assert storage.try_acquire_job_lock(job.id, "worker-1", 300)
    # ... some work ...
    assert storage.release_job_lock(job.id, "worker-1") is True
    assert storage.release_job_lock(job.id, "worker-1") is False


def test_fetch_available_jobs_atomic(storage):
    for number in range(10):
        storage.enqueue(Job("batch_process", [number]))

    jobs = storage.fetch_available_jobs_atomic("worker-1", 5)

    assert [job.arguments[0] for job in jobs] == [0, 1, 2, 3, 4]
    assert {job.state.worker_id for job in jobs} == {"worker-1"}
    assert len(storage.get_available_jobs()) == 5
