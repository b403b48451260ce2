"""Threads reserved per queue: what one queue has to do never keeps another waiting."""

import threading
from collections import Counter

import pytest

from qml import ConfigurationError, Job
from qml.work.pool import AHEAD_PER_THREAD
from qml.work.runs import Run
from qml.work.shares import divide
from tests.work.support import Counting, Gate, eventually


class Meter:
    """Tasks that note how many of each queue run at once, and wait while their gate is shut."""

    def __init__(self, app, *queues):
        self._lock = threading.Lock()
        self.now, self.most, self.done = Counter(), Counter(), Counter()
        self.gates = {queue: Gate() for queue in queues}
        self.tasks = {
            queue: app.task(name=queue, queue=queue)(lambda queue=queue: self.run(queue))
            for queue in queues
        }

    def run(self, queue):
        with self._lock:
            self.now[queue] += 1
            self.most[queue] = max(self.most[queue], self.now[queue])
            self.most["all"] = max(self.most["all"], sum(self.now.values()))
        self.gates[queue].wait()
        with self._lock:
            self.now[queue] -= 1
            self.done[queue] += 1

    def enqueue(self, queue, number):
        return self.tasks[queue].enqueue_many([()] * number)


# -- what is asked for ---------------------------------------------------------------------------


def test_threads_are_those_that_are_reserved_unless_more_are_given():
    assert divide(None, None) == (8, None, {})
    assert divide(3, ["a", "b"]) == (3, ("a", "b"), {})
    assert divide(None, {"mail": 3, "bulk": 1}) == (4, ("mail", "bulk"), {"mail": 3, "bulk": 1})
    assert divide(6, {"mail": 3, "bulk": 1}).parts == [
        *((("mail",), 3), (("bulk",), 1), (("mail", "bulk"), 2)),
    ]
    assert divide(4, {"mail": 3, "bulk": 1}).parts == [(("mail",), 3), (("bulk",), 1)]
    assert divide(None, ["a", "b"]).parts == [(("a", "b"), 8)]
    assert str(divide(None, None)) == "every queue"
    assert str(divide(None, {"mail": 3, "bulk": 1})) == "mail (3), bulk (1)"


@pytest.mark.parametrize(
    ("threads", "queues", "says"),
    [
        (3, {"mail": 3, "bulk": 1}, "threads is 3, fewer than the 4 that queues reserves"),
        (None, {"mail": 0}, "queues reserves 0 threads for 'mail'; give a whole number, 1 or more"),
        (None, {"mail": True}, "queues reserves True threads"),
        (None, {"mail": "3"}, "queues reserves '3' threads"),
        (None, {}, "queues is {}; give at least one name"),
        (None, {"": 1}, "give at least one name"),
        (0, {"mail": 1}, "threads is 0; give a whole number, 1 or more"),
    ],
)
def test_what_cannot_be_is_named(memory_app, threads, queues, says):
    with pytest.raises(ConfigurationError) as raised:
        memory_app.server(threads=threads, queues=queues)
    assert says in str(raised.value)


# -- at work -------------------------------------------------------------------------------------


def test_bulk_work_never_starves_mail(app):
    meter = Meter(app, "bulk", "mail")
    meter.gates["mail"].open()
    meter.enqueue("bulk", 1000)
    with app.server(queues={"mail": 2, "bulk": 2}, poll_interval=30) as server:
        for _ in range(2):
            meter.gates["bulk"].someone_waits()
        [job] = meter.enqueue("mail", 1)
        app.result(job, timeout=30)
        meter.enqueue("mail", 20)
        eventually(lambda: meter.done["mail"] == 21)
        assert meter.most["bulk"] == 2
        assert meter.most["mail"] <= 2
        meter.gates["bulk"].open()
        # A share that has room again claims at once, and not when the others look next.
        eventually(lambda: meter.done["bulk"] == 1000)
        eventually(lambda: not len(server.runs))
    assert meter.most["bulk"] == 2
    assert app.storage.get_job_counts()["succeeded"] == 1021


def test_short_jobs_that_are_claimed_ahead_stay_within_their_share(memory_app):
    meter = Meter(memory_app, "bulk", "mail", "other")
    for gate in meter.gates.values():
        gate.open()
    for queue in ("bulk", "mail"):
        meter.enqueue(queue, 1000)
    meter.enqueue("other", 1)
    server = memory_app.server(queues={"mail": 3, "bulk": 1})
    aheads = []
    take = server.claimer.take
    server.claimer.take = lambda *given: aheads.append(given) or take(*given)
    assert server.run(burst=True) is True
    assert meter.done == {"mail": 1000, "bulk": 1000}
    assert (meter.most["bulk"], meter.most["other"]) == (1, 0)
    assert meter.most["mail"] <= 3
    assert any(ahead for _, ahead, _ in aheads)  # or this has shown nothing
    assert all(ahead <= AHEAD_PER_THREAD * 3 for _, ahead, _ in aheads)


def test_threads_that_none_has_for_itself_serve_any_of_the_queues(memory_app):
    meter = Meter(memory_app, "bulk", "mail")
    meter.enqueue("bulk", 100)
    with memory_app.server(threads=5, queues={"mail": 1, "bulk": 2}):
        for _ in range(4):
            meter.gates["bulk"].someone_waits()
        meter.enqueue("mail", 10)
        meter.gates["mail"].someone_waits()
        assert (meter.now["bulk"], meter.now["mail"]) == (4, 1)
        for gate in meter.gates.values():
            gate.open()
        eventually(lambda: sum(meter.done.values()) == 110)
    assert meter.most["all"] <= 5
    assert meter.most["bulk"] <= 4
    assert meter.most["mail"] <= 3


def test_a_burst_ends_with_the_last_job_of_any_share(app):
    meter = Meter(app, "bulk", "mail", "none")
    for gate in meter.gates.values():
        gate.open()
    meter.enqueue("bulk", 30)
    meter.enqueue("mail", 5)
    app.task(name="later", queue="mail")(lambda: None).using(run_after=3600).enqueue()
    assert app.server(queues={"none": 1, "mail": 2, "bulk": 1}).run(burst=True) is True
    assert meter.done == {"bulk": 30, "mail": 5}


def test_as_many_jobs_as_allowed_whatever_the_shares(memory_app):
    meter = Meter(memory_app, "bulk", "mail")
    for gate in meter.gates.values():
        gate.open()
    meter.enqueue("bulk", 50)
    server = memory_app.server(queues={"mail": 2, "bulk": 2}, max_jobs=7)
    assert server.run() is False
    assert server.retired
    assert meter.done == {"bulk": 7}


def test_a_step_claims_for_each_share(app):
    meter = Meter(app, "bulk", "mail")
    for gate in meter.gates.values():
        gate.open()
    meter.enqueue("bulk", 10)
    server = app.server(queues={"mail": 3, "bulk": 2})
    assert server.step() == 2
    meter.enqueue("mail", 10)
    server.tick()
    assert server.step() == 5
    assert meter.done == {"bulk": 4, "mail": 3}


def test_a_late_thread_is_replaced_in_its_own_share(memory_app):
    server = memory_app.server(queues={"mail": 1, "bulk": 1})
    meter = Meter(memory_app, "bulk", "mail")
    for queue, task in meter.tasks.items():
        task.using(timeout_seconds=0.05 if queue == "bulk" else None, max_retries=0).enqueue()
    with server:
        for gate in meter.gates.values():
            gate.someone_waits()
        eventually(lambda: memory_app.storage.get_job_counts()["failed"] == 1)
        meter.enqueue("bulk", 1)
        meter.gates["bulk"].someone_waits()  # in a fresh thread
        mail, bulk = (share.pool for share in server.shares)
        assert (mail.room(), bulk.room()) == ((0, 0), (0, 0))
        assert meter.now == {"bulk": 2, "mail": 1}
        for gate in meter.gates.values():
            gate.open()


def test_what_waits_too_long_for_a_share_goes_back_while_others_have_room(memory_app):
    meter = Meter(memory_app, "bulk", "mail")
    [first, second] = meter.enqueue("bulk", 2)
    with memory_app.server(queues={"mail": 1, "bulk": 1}) as server:
        meter.gates["bulk"].someone_waits()
        bulk = server.shares[1]
        _, runs = server.claimer.take(1, 0, bulk.queues)  # as if claimed ahead
        bulk.pool.put(runs)
        eventually(lambda: memory_app.storage.get(second.id).state.kind == "enqueued")
        assert memory_app.storage.get(first.id).state.kind == "processing"
        meter.gates["bulk"].open()
        memory_app.result(second, timeout=30)


def test_one_pool_costs_one_claim_a_turn_and_more_one_each(memory_app):
    count = memory_app.storage.driver = Counting(memory_app.storage.driver)
    memory_app.server(queues=["a", "b"]).step()
    assert count.calls.pop("claim") == 1
    memory_app.server(queues={"a": 1, "b": 1}).step()
    assert count.calls.pop("claim") == 2


def test_a_run_by_hand_is_of_no_pool():
    assert Run(Job("t")).pool is None
