"""Twenty workers claim a hundred jobs at once: each job once, and nobody is empty-handed too soon.

An answer is empty rightly if all jobs were taken by calls that had begun before it came.
"""

import argparse

import pytest

from qml import Job, connect
from qml.values.clock import steady_micros
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
    """Calls for ``size`` jobs until one is in vain: when each began and ended, what it got."""
    ready()
    calls = []
    while not calls or calls[-1][2]:
        began = steady_micros()
        jobs = storage.fetch_available_jobs_atomic(
            f"worker{number}", size, queues, lease_seconds=LEASE
        )
        calls.append((began, steady_micros(), [job.id for job in jobs]))
    return calls


def thread(number, ready, storage, *what):
    return claim(storage, number, ready, *what)


def process(number, ready, url, *what):
    with connect(url) as storage:
        return claim(storage, number, ready, *what)


QUEUES = [f"queue{n}" for n in range(20)]  # of five jobs: a claim may look at all of them


@pytest.mark.parametrize(
    ("kind", "size", "queues"),
    [
        ("threads", 1, None),
        ("threads", 5, None),
        ("threads", 5, QUEUES),
        ("processes", 5, QUEUES),
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
    calls = [call for answer in answers for call in answer]
    taken = [id for _, _, ids in calls for id in ids]
    assert sorted(taken) == sorted(job.id for job in jobs)
    for _, ended, ids in calls:
        begun_before = sum(len(others) for began, _, others in calls if began < ended)
        assert ids or begun_before == JOBS, f"{JOBS - begun_before} jobs were there"
