"""How often each operation goes to the store: one verb is one round trip."""

import itertools

import pytest

from qml import Failed, Job, JobLost, Qml, Scheduled, SqliteStorage, Succeeded, UniqueKeyTaken
from qml.storage import servers
from tests.work.support import Counting, eventually, traced

NUMBERS = itertools.count()


def jobs(number, **settings):
    return [Job("t", [next(NUMBERS)], **settings) for _ in range(number)]


@pytest.fixture
def counted(storage):
    """The storage, and a function that runs something and tells the verbs it took."""
    counting = storage.driver = Counting(storage.driver)

    def trips(call, *arguments):
        counting.calls.clear()
        counting.swaps.clear()
        call(*arguments)
        return dict(counting.calls)

    trips.storage, trips.counting = storage, counting
    return trips


def claimed(storage, number, worker="w"):
    storage.enqueue_many(jobs(number))
    return storage.fetch_available_jobs_atomic(worker, number)


def test_storing_is_one_insert(counted):
    storage = counted.storage
    assert counted(storage.enqueue, Job("t")) == {"insert": 1}
    assert counted(storage.enqueue_many, jobs(100)) == {"insert": 1}
    assert counted(storage.enqueue_many, []) == {}


def test_a_refusal_is_no_further_trip(counted):
    storage = counted.storage
    storage.enqueue(Job("t", unique_key="k"))

    def refused():
        with pytest.raises(UniqueKeyTaken):
            storage.enqueue(Job("t", unique_key="k"))

    assert counted(refused) == {"insert": 1}


def test_looking_is_one_trip(counted):
    storage = counted.storage
    ids = [job.id for job in storage.enqueue_many(jobs(100))]
    assert counted(storage.get, ids[0]) == {"load": 1}
    assert counted(storage.get_many, ids) == {"load": 1}
    assert counted(storage.get_many, []) == {}
    assert counted(storage.list) == {"scan": 1}
    assert counted(storage.get_available_jobs) == {"scan": 1}
    assert counted(storage.get_job_counts) == {"count": 1}


def test_a_claim_is_one_trip_whatever_it_takes(counted):
    storage = counted.storage
    storage.enqueue_many(jobs(300))
    assert counted(storage.fetch_and_lock_job, "w") == {"claim": 1}
    assert counted(storage.fetch_available_jobs_atomic, "w", 200) == {"claim": 1}
    assert counted(storage.fetch_available_jobs_atomic, "w", 200, ["default"]) == {"claim": 1}
    assert counted(storage.fetch_and_lock_job, "w") == {"claim": 1}  # in vain


def test_a_finish_of_many_is_one_swap_and_no_load(counted):
    storage = counted.storage
    held = claimed(storage, 102)
    assert counted(storage.finish, held[0], Succeeded(result=1)) == {"swap": 1}
    assert counted(storage.finish, held[1], Failed(exception="E")) == {"swap": 1}
    outcomes = [(job, Succeeded(result=1)) for job in held[2:]]
    assert counted(storage.finish_many, outcomes) == {"swap": 1}
    assert counted.counting.swaps == [100]
    assert counted(storage.finish_many, []) == {}


def test_only_what_was_stale_is_looked_at_again(counted, clock):
    storage = counted.storage
    held = claimed(storage, 10)
    storage.update(storage.get(held[3].id).with_metadata(note="seen"))
    clock.advance(31)
    storage.renew(held[:9])
    storage.rescue()  # the tenth
    answers = []
    outcomes = [(job, Succeeded()) for job in held]
    trips = counted(lambda: answers.extend(storage.finish_many(outcomes)))
    assert trips == {"swap": 2, "load": 2}
    assert [isinstance(answer, JobLost) for answer in answers] == [False] * 9 + [True]
    assert answers[3].metadata == {"note": "seen"}


def test_renewals_are_one_hold(counted):
    storage = counted.storage
    held = claimed(storage, 50)
    assert counted(storage.renew, held) == {"hold": 1}
    assert counted(storage.renew, []) == {}


def test_other_ends_and_hands(counted, clock):
    storage = counted.storage
    first, second, third, *rest = claimed(storage, 20)
    assert counted(storage.release, first) == {"swap": 1}
    assert counted(storage.cancel, second.id) == {"load": 1, "swap": 1}
    storage.finish(third, Failed(exception="E"))
    assert counted(storage.retry, third.id) == {"load": 1, "swap": 1}
    job = storage.get(first.id)
    assert counted(storage.update, job.with_metadata(a=1)) == {"load": 1, "swap": 1}
    assert counted(storage.delete, first.id) == {"erase": 1}
    assert counted(storage.try_acquire_job_lock, third.id, "w", 5) == {"hold": 1}
    assert counted(storage.release_job_lock, third.id, "w") == {"let_go": 1}
    assert counted(storage.rescue) == {"scan": 1}
    clock.advance(31)
    assert counted(storage.rescue) == {"scan": 1, "swap": 1}
    assert counted.counting.swaps == [len(rest)]
    assert counted(storage.purge) == {"erase": 4}


# -- the work floor ------------------------------------------------------------------------------


def test_a_step_of_a_server_is_a_claim_and_a_swap(counted):
    app = Qml(counted.storage)
    task = app.task(lambda n: n)
    task.enqueue_many([(n,) for n in range(100)])
    server = app.server(threads=100)
    assert counted(server.step) == {"claim": 1, "swap": 1}
    assert counted.counting.swaps == [100]


def test_a_task_is_enqueued_in_one_trip(counted):
    app = Qml(counted.storage)
    task = app.task(lambda n: n)
    assert counted(task.enqueue, 1) == {"insert": 1}
    assert counted(task.enqueue_many, [(1,), (2,)]) == {"insert": 1}
    assert counted(task.using(run_after=5).enqueue, 1) == {"insert": 1}


def test_a_tick_of_an_idle_server(counted):
    server = Qml(counted.storage).server()
    idle = {"scan": 2, "erase": 4, "list": 2}  # schedules; old figures
    assert counted(server.tick) == {**idle, "read": 1}  # once: by what terms others purge
    assert counted(server.tick) == idle


def test_a_heartbeat(counted):
    with Qml(counted.storage).server(threads=1, name="s") as server:
        eventually(lambda: servers.alive(counted.storage))
        assert counted(server.upkeep.heartbeat)["write"] == 1


# -- statements of SQLite ------------------------------------------------------------------------


@pytest.fixture
def sqlite(tmp_path, clock):
    with SqliteStorage(tmp_path / "jobs.db", clock=clock) as storage:
        storage.enqueue(Job("warm", queue="other"))
        yield storage


def verbs(statements):
    """The first word of each statement, runs of one folded: "BEGIN 3*UPDATE COMMIT"."""
    words = [statement.split()[0].upper() for statement in statements]
    folded = [(word, len(list(group))) for word, group in itertools.groupby(words)]
    return " ".join(word if many == 1 else f"{many}*{word}" for word, many in folded)


def settled(statements):
    """Without the settings a new connection gets."""
    return [statement for statement in statements if not statement.startswith("PRAGMA")]


def test_a_finish_of_many_is_one_update(sqlite):
    sqlite.enqueue_many(jobs(100))
    held = sqlite.fetch_available_jobs_atomic("w", 100, ["default"])
    with traced(sqlite) as statements:
        sqlite.finish_many([(job, Succeeded(result=[1])) for job in held])
    statements = settled(statements)
    assert statements[0] == "BEGIN IMMEDIATE"
    assert verbs(statements) == "BEGIN UPDATE COMMIT"


def test_an_enqueue_is_one_transaction(sqlite):
    with traced(sqlite) as statements:
        sqlite.enqueue_many(jobs(3))
    statements = settled(statements)
    assert statements[0] == "BEGIN IMMEDIATE"
    # Payloads stand in a table of their own, which gives the numbers.
    assert verbs(statements) == "BEGIN 3*INSERT 2*SELECT 3*INSERT COMMIT"


def test_a_claim_is_one_transaction(sqlite, clock):
    sqlite.enqueue_many(jobs(5, state=Scheduled(clock.now(), clock.now())))
    with traced(sqlite) as statements:
        assert len(sqlite.fetch_available_jobs_atomic("w", 5, ["default"])) == 5
    statements = settled(statements)
    assert statements.count("BEGIN IMMEDIATE") == statements.count("COMMIT") == 1
    begun = statements.index("BEGIN IMMEDIATE")
    assert verbs(statements[:begun]) in {"SELECT", "2*SELECT"}  # the look before
    assert statements[-1] == "COMMIT"


def test_a_claim_in_vain_takes_no_write_lock(sqlite):
    with traced(sqlite) as statements:
        assert sqlite.fetch_and_lock_job("w", ["default"]) is None
    assert set(verbs(settled(statements)).replace("2*", "").split()) == {"SELECT"}


def test_renewals_are_one_transaction_of_updates(sqlite):
    sqlite.enqueue_many(jobs(20))
    held = sqlite.fetch_available_jobs_atomic("w", 20, ["default"])
    with traced(sqlite) as statements:
        assert all(sqlite.renew(held))
    assert verbs(settled(statements)) == "BEGIN 20*UPDATE COMMIT"
