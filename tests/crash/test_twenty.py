"""Twenty workers claim a hundred jobs at once: each job once, and no call comes back empty.

They make exactly as many calls as there are jobs for, so an empty answer is one too few.
"""

import argparse
from collections import Counter

import pytest

from qml import Job, connect
from tests.crash import at_once, stores

WORKERS, JOBS, LEASE = 20, 100, 600.0


@pytest.fixture(scope="module", params=stores.KINDS)
def store(request, tmp_path_factory):
    options = argparse.Namespace(store=request.param, url=None)
    with stores.opened(options, tmp_path_factory.mktemp("twenty")) as store:
        yield store


@pytest.fixture
def url(store):
    with connect(store.url) as storage:
        for job in storage.list():
            storage.delete(job.id)
    return store.url


def claim(storage, number, ready, size, queues):
    """A worker's share, in calls of ``size`` jobs."""
    ready()
    worker = f"worker{number}"
    batches = [
        storage.fetch_available_jobs_atomic(worker, size, queues, lease_seconds=LEASE)
        for _ in range(JOBS // WORKERS // size)
    ]
    return [[job.id for job in batch] for batch in batches]


def thread(number, ready, storage, *what):
    return claim(storage, number, ready, *what)


def process(number, ready, url, *what):
    with connect(url) as storage:
        return claim(storage, number, ready, *what)


TWO = ["left", "right"]


@pytest.mark.parametrize(
    ("kind", "size", "queues"),
    [
        ("threads", 1, None),
        ("threads", 5, None),
        ("threads", 5, TWO),
        ("processes", 1, None),
        ("processes", 5, TWO),
    ],
)
def test_twenty_workers_take_a_hundred_jobs(url, kind, size, queues):
    names = queues or ["default"]
    with connect(url) as storage:
        jobs = [Job("twenty", [n], queue=names[n % len(names)]) for n in range(JOBS)]
        storage.enqueue_many(jobs)
        if kind == "threads":
            answers = at_once.in_threads(WORKERS, thread, storage, size, queues)
        else:
            answers = at_once.in_processes(WORKERS, process, url, size, queues)
        batches = [batch for answer in answers for batch in answer]
        assert Counter(map(len, batches)) == {size: JOBS // size}
        assert sorted(id for batch in batches for id in batch) == sorted(job.id for job in jobs)
        assert storage.fetch_and_lock_job("late") is None
