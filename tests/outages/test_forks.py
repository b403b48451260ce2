"""Processes beside this one, which is at work: forked, spawned, forked by a server.

A child uses connections of its own, and neither uses nor closes one of its parent's.
"""

import multiprocessing
import os
import threading

import pytest

from qml import Succeeded
from qml.testing.proving.kills import context
from tests.work.support import eventually, fork

from .children import open_and_use, use
from .tasks import SOON, Site, at_once

FORKS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 50

MOST = 5
"""Connections of the parent: its pool's, and the one that listens."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
quiet = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def named(store):
    return store.named("parent", store.url)


@quiet
def test_forks_while_threads_are_at_work(store, named):
    """djrq 123, q1 422: a connection opened before the fork was used by both."""
    with store.open(named, max_connections=MOST - 1, retry=SOON) as storage:
        stop, errors, shares = threading.Event(), [], []

        def listen():
            while not stop.is_set():
                storage.driver.wait(0.1)

        def work(number):
            shares.append(0)
            try:
                while not stop.is_set():
                    use(storage, f"thread {number}")
                    shares[number] += 1
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        threads.append(threading.Thread(target=listen))
        for thread in threads:
            thread.start()
        eventually(lambda: store.listening("parent"))
        at_once(*[storage.get_job_counts] * MOST)
        before = store.connections("parent")
        codes = [fork(lambda n=n: use(storage, f"child {n}")) for n in range(FORKS)]
        mine = store.connections("parent")
        stop.set()
        for thread in threads:
            thread.join()
        assert errors == []
        assert codes == [0] * FORKS
        assert before <= mine  # the parent's live on
        assert eventually(lambda: len(store.connections("parent")) <= MOST)  # no child's is left
        jobs = storage.list()
        assert len(jobs) == FORKS + sum(shares)
        assert {job.attempt for job in jobs} == {1}
        assert len({job.state.result for job in jobs}) == FORKS + 1


@quiet
def test_a_child_has_connections_of_its_own(store, named):
    """Seen from the server, while the child lives."""
    with store.open(named) as storage:
        storage.get_job_counts()
        before = store.connections("parent")
        come, go = (multiprocessing.get_context("fork").Event() for _ in range(2))

        def live():
            use(storage, "child")
            come.set()
            assert go.wait(60)
            storage.close()

        thread = threading.Thread(target=lambda: ended.append(fork(live)))
        ended = []
        thread.start()
        assert come.wait(60)
        meanwhile = store.connections("parent")
        use(storage, "parent")
        go.set()
        thread.join()
        assert ended == [0]
        assert before < meanwhile
        assert store.connections("parent") >= before
        use(storage, "parent again")
        assert len(meanwhile - before) == 1


@quiet
def test_a_server_runs_on_while_children_come_and_go(store, named):
    with store.open(named, retry=SOON) as storage:
        site = Site(storage)
        with site.app.server(threads=2, queues=["default"], poll_interval=0.1):
            jobs = []
            for number in range(20):
                jobs.append(site.note.enqueue(number))
                assert fork(lambda n=number: use(storage, f"child {n}")) == 0
            assert site.done(*jobs) == [*range(20)]
        assert set(site.runs.values()) == {1}


@quiet
@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_processes_that_begin_anew(store, named, how):
    begin = context() if how == "forkserver" else multiprocessing.get_context(how)
    with store.open(named) as storage:
        use(storage, "parent")
        before = store.connections("parent")
        children = [
            begin.Process(target=open_and_use, args=(store, f"{how} {n}")) for n in range(2)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
        assert [child.exitcode for child in children] == [0, 0]
        assert store.connections("parent") == before
        use(storage, "parent again")
        by = {job.state.result for job in storage.list("succeeded")}
        assert by == {os.getpid(), *(child.pid for child in children)}
        assert all(isinstance(job.state, Succeeded) for job in storage.list())
