"""What is written down: by which processes, whatever dies, and with nothing changed for callers."""

import gc
import json
import os
import signal

import pytest

from qml import Job, Qml, Succeeded, connect
from qml.drivers.sqlite.library import library
from qml.storage.storage import Storage
from qml.testing import ManualClock
from qml.testing.history import History, linearize
from qml.testing.history.journal import ENDING
from qml.testing.history.recording import RecordedStorage
from qml.values.errors import (
    ConfigurationError,
    InvalidTransition,
    JobAlreadyExists,
    JobLost,
    JobNotFound,
    StorageUnavailable,
    WaitTimeout,
)


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "history")


@pytest.fixture
def storage(history):
    return history.record(connect("memory://"))


def notes(history):
    return [
        json.loads(line)
        for path in sorted(history.folder.glob(f"*{ENDING}"))
        for line in path.read_text().splitlines()
    ]


def open_files():
    return sum(os.path.exists(f"/dev/fd/{number}") for number in range(4096))


def test_a_server_and_a_client_work_through_it(history):
    jobs = Qml(history.record(connect("memory://")))

    @jobs.task(name="double")
    def double(number):
        return 2 * number

    sent = double.enqueue_many([(number,) for number in range(20)])
    jobs.server(threads=3).run(burst=True)
    assert [jobs.result(job) for job in sent] == [2 * number for number in range(20)]
    history.final(jobs.storage)
    verdict = history.judge()
    assert verdict.faults == []
    assert (verdict.jobs, verdict.finishes, verdict.unknown) == (20, 20, 0)


def test_it_is_a_storage_in_every_respect(storage):
    plain = connect("memory://")
    assert isinstance(storage, Storage)
    assert repr(storage) == repr(plain)
    job = storage.enqueue(Job("t"))
    assert storage.list() == storage.get_available_jobs() == [storage.get(job.id)]
    assert storage.get_job_counts()["enqueued"] == 1
    assert storage.retry_policy == plain.retry_policy
    assert storage.now() <= storage.now()
    with storage as same:
        assert same is storage


def test_every_public_operation_is_passed_on_or_noted():
    """An operation that Storage gains must not go past the history by being inherited."""
    inherited = {
        "enqueue", "get", "fetch_and_lock_job", "fetch_available_jobs_atomic", "finish", "release",
        "note", "select", "count", "limits", "kept_back", "transactional",
        "page", "errors", "activity",
        "begin",  # what is done in the transaction is noted, and told of by its end
    }  # fmt: skip
    public = {name for name in dir(Storage) if name[0] != "_"}
    assert public - vars(RecordedStorage).keys() == inherited


def test_what_jobs_share_is_noted(history, storage):
    """Limits and rates, queues that are paused, jobs that come after others, a key's holder."""
    shared = {"concurrency_key": "one", "concurrency_limit": 1, "rate": "1/s", "rate_key": "p"}
    first = storage.enqueue(Job("t", batch="n", unique_key="k", **shared))
    storage.enqueue(Job("t", after=[first.id], id="child"))
    storage.enqueue(Job("t", after_batch="n", id="last"))
    twin = storage.enqueue(Job("t", id="twin", unique_key="k"), on_conflict="existing")
    assert twin.id == first.id
    storage.enqueue(Job("t", ["new"], id="twin", unique_key="l"), on_conflict="replace")
    storage.queues.pause("default")
    assert storage.claim("a", 9).jobs == []
    storage.queues.resume("default")
    jobs = storage.claim("a", 9).jobs
    assert [job.id for job in jobs] == [first.id, "twin"]
    storage.finish_many([(job, Succeeded()) for job in jobs])
    [child] = storage.claim("a", 9).jobs  # more of the batch may come
    storage.finish(child, Succeeded())
    history.final(storage)
    assert history.judge().faults == []
    told = [one["reply"]["told"] for one in notes(history) if "told" in one.get("reply", ())]
    assert told[0][0][13:] == ["default", ["one", 1, "p", 1_000_000, 1, "n", [], None, "k", False]]
    assert told[1][0][14][6] == [first.id]
    assert {one["verb"] for one in notes(history) if "verb" in one} >= {"place", "pause", "resume"}


def test_a_driver_that_asks_no_limit_is_found(history):
    """Nor what a job comes after: its claims take whatever is enqueued."""
    plain = connect("memory://")
    insert = plain.driver.insert

    def unlimited(rows, *beside):
        free = {"lane": None, "permit": None, "awaits": None, "due_at": 0}
        return insert([row._replace(**free) for row in rows])

    plain.driver.insert = unlimited
    storage = history.record(plain)
    limit = {"concurrency_key": "one", "concurrency_limit": 1}
    first = storage.enqueue(Job("t", id="first", **limit))
    storage.enqueue(Job("t", id="second", **limit))
    storage.enqueue(Job("t", id="child", after=[first.id]))
    assert len(storage.claim("a", 9).jobs) == 3
    words = "\n".join(history.judge(drained=False).faults)
    assert "too many lived at once: first, second" in words
    assert "job child was claimed before job first had ended, which it comes after" in words


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_job_in_anothers_transaction_is_there_or_not(history, tmp_path, end):
    with history.record(connect(f"sqlite:///{tmp_path / 'jobs.db'}")) as storage:
        mine = library.connect(tmp_path / "jobs.db")
        storage.enqueue_in(mine, [Job("t", id="one"), Job("t", id="two")])
        assert storage.get("one") is None
        getattr(mine, end)()
        mine.close()
        there = storage.claim("a", 9).jobs
        history.final(storage)
    assert len(there) == {"commit": 2, "rollback": 0}[end]
    verdict = history.judge(drained=False)
    assert (verdict.faults, verdict.unknown) == ([], 0)


def test_an_end_in_a_transaction_is_noted_with_its_fate(history, tmp_path):
    with history.record(connect(f"sqlite:///{tmp_path / 'jobs.db'}")) as storage:
        storage.enqueue(Job("t"))
        job = storage.fetch_and_lock_job("a")
        done = storage.finish_in(storage.begin(), job, Succeeded(result=1))
        assert done == storage.get(job.id)
        again = storage.finish_in(storage.begin(), job, Succeeded(result=1))
        assert isinstance(again, JobLost)
        history.final(storage)
    verdict = history.judge()
    assert (verdict.faults, verdict.unknown) == ([], 0)
    ends = [one["reply"]["told"] for one in notes(history) if one.get("end") in (3, 5)]
    assert [end[0] is None for end in ends] == [False, True]


def test_errors_come_through_and_are_answers(history, storage):
    job = storage.enqueue(Job("t"))
    for error, call in (
        (JobAlreadyExists, lambda: storage.enqueue(job)),
        (JobNotFound, lambda: storage.cancel("none")),
        (InvalidTransition, lambda: storage.retry(job.id)),
        (InvalidTransition, lambda: storage.finish(job, Succeeded())),
        (WaitTimeout, lambda: storage.wait(job.id, 0)),
        (JobNotFound, lambda: storage.wait("none", 0)),
        (ConfigurationError, lambda: storage.claim("", 1)),
        (ConfigurationError, lambda: storage.renew([job], "long")),
    ):
        with pytest.raises(error):
            call()
    verdict = history.judge()
    assert verdict.faults == []
    assert verdict.unknown == 0


def test_an_error_that_is_no_answer_leaves_the_call_open(history):
    plain = connect("memory://")
    storage = history.record(plain)

    def away(rows):
        raise StorageUnavailable("away")

    plain.driver.insert = away
    with pytest.raises(StorageUnavailable):
        storage.enqueue(Job("t"))
    assert notes(history)[-1]["reply"] == {"error": "unknown", "job": None}
    assert history.judge().unknown == 1


def test_a_lost_claim_is_noted_as_such(history):
    clock = ManualClock()
    storage = history.record(connect("memory://", clock=clock))
    storage.enqueue(Job("t"))
    job = storage.fetch_and_lock_job("a", lease_seconds=1)
    clock.advance(1)
    storage.rescue()
    with pytest.raises(JobLost):
        storage.finish(job, Succeeded())
    assert storage.renew([job]) == [False]
    assert notes(history)[-3]["reply"] == {"told": [None]}
    assert history.judge(drained=False).faults == []


def test_the_end_of_a_dead_workers_claims_is_noted(history, storage):
    storage.enqueue(Job("t"))
    storage.fetch_and_lock_job("dead")
    assert storage.end_claims("dead") == 1
    assert len(storage.rescue()) == 1
    [call] = [one for one in notes(history) if one.get("verb") == "end_claims"]
    assert call["given"] == "dead"
    assert notes(history)[5]["reply"] == {"told": 1}
    history.final(storage)
    assert history.judge(drained=False).faults == []


def test_a_line_that_a_kill_cut_short_is_left_out(history, storage):
    storage.enqueue(Job("t"))
    [path] = history.folder.iterdir()
    path.write_text(path.read_text()[:-1])
    verdict = history.judge()
    assert (verdict.operations, verdict.unknown) == (1, 1)
    path.write_text(path.read_text()[:20])
    assert history.judge().operations == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_each_process_writes_to_a_file_of_its_own_until_it_is_killed(history, tmp_path):
    """The child inherits an open file, and dies without an end."""
    with history.record(connect(f"sqlite:///{tmp_path / 'jobs.db'}")) as storage:
        storage.enqueue(Job("t"))
        pid = os.fork()
        if not pid:
            storage.enqueue(Job("t"))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        storage.enqueue(Job("t"))
        history.final(storage)
    assert {path.stem for path in history.folder.iterdir()} == {f"{os.getpid()}", f"{pid}"}
    verdict = history.judge(drained=False)
    assert verdict.faults == []
    assert (verdict.jobs, verdict.operations, verdict.processes) == (3, 4, 2)


def test_a_history_that_nobody_keeps_keeps_no_file_open(tmp_path):
    """Not even one that nobody closes: a test may make thousands."""
    before = open_files()
    for number in range(50):
        History(tmp_path / f"{number}").record(connect("memory://")).enqueue(Job("t"))
    gc.collect()
    assert open_files() < before + 50


def test_two_histories_in_one_folder_keep_apart(history, tmp_path):
    for one in (history, History(history.folder)):
        with one.record(connect(f"sqlite:///{tmp_path / 'jobs.db'}")) as storage:
            storage.enqueue(Job("t"))
    assert len(list(history.folder.iterdir())) == 2
    assert history.judge().jobs == 2


def test_a_mistake_in_the_rules_shows(history):
    """Not only one in a driver: here the storage tells every worker that it still holds its job."""
    plain = connect("memory://")
    plain.renew = lambda jobs, lease_seconds=None: [True for _ in jobs]
    storage = history.record(plain)
    storage.enqueue(Job("t"))
    job = storage.fetch_and_lock_job("a")
    storage.finish(job, Succeeded())
    storage.renew([job])
    [fault] = history.judge().faults
    assert fault.endswith("cannot be: the claim is over: the job is succeeded")


def test_an_outcome_is_told_by_its_hash_when_it_is_long(history, storage):
    storage.enqueue(Job("t"))
    storage.finish(storage.fetch_and_lock_job("a"), Succeeded(result="x" * 100_000))
    assert storage.list()[0].state.result == "x" * 100_000
    assert len(notes(history)[-1]["reply"]["told"][0][11]) == 16
    assert max(len(json.dumps(note)) for note in notes(history)) < 500


def test_what_fits_in_the_order_of_its_replies_is_not_searched(history, monkeypatch):
    """So a hundred thousand jobs cost a hundred thousand times one."""
    monkeypatch.delattr(linearize, "_Search")
    storage = history.record(connect("memory://"))
    storage.enqueue_many([Job("t") for _ in range(100)])
    while jobs := storage.claim("a", 7).jobs:
        storage.finish_many([(job, Succeeded()) for job in jobs])
    history.final(storage)
    verdict = history.judge()
    assert verdict.faults == []
    assert (verdict.jobs, verdict.claims, verdict.finishes) == (100, 100, 100)


def test_a_history_of_nothing_is_no_proof(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nothing was noted in .*: use the storage that"):
        History(tmp_path).judge()


@pytest.mark.parametrize("given", ["redis://user:secret@host/0", Qml("memory://")])
def test_what_is_no_storage_is_not_noted(given, tmp_path):
    with pytest.raises(ConfigurationError, match="is no storage that can be noted"):
        History(tmp_path).record(given)


def test_what_is_no_folder_keeps_no_history(tmp_path):
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", str(tmp_path / "file" / "below"), 5):
        with pytest.raises(ConfigurationError, match="folder"):
            History(wrong)
    with pytest.raises(ConfigurationError, match="a str is no storage"):
        History(tmp_path).final("memory://")
