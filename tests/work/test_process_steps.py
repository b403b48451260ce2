"""Steps of tasks that run in spawned processes: the server keeps their results."""

import threading
from pathlib import Path

import pytest

from qml import RetryPolicy
from qml.testing import FaultyDriver
from tests.work import process_tasks as tasks
from tests.work.support import eventually, memory_storage


@pytest.fixture
def storage(tmp_path):
    with (
        memory_storage(tmp_path, retry=RetryPolicy(base=0)) as storage,
        tasks.jobs.using_storage(storage),
    ):
        yield storage


@pytest.fixture
def server(storage):
    """Stepped by hand; its process is ended with the test."""
    server = tasks.jobs.server(threads=1)
    yield server
    server.stop()


def test_steps_are_kept_by_the_server_and_skipped_by_a_retry(storage, server, tmp_path):
    faulty = storage.driver = FaultyDriver(storage.driver)
    job = tasks.stepping.enqueue(str(tmp_path))
    faulty.lose_reply("hold")
    server.step()
    assert storage.get(job.id).failures[0].exception == "ValueError"
    first = storage.get(job.id).notes
    assert list(first.steps) == ["a", "b"]
    assert first.progress.fraction == 0.5
    storage.retry(job.id)  # and do not wait for its time
    server.step()
    done = storage.get(job.id)
    assert done.state.result == list(first.steps.values())
    assert done.notes.steps == first.steps
    assert [line.text for line in done.notes.log] == ["done"]
    assert (tmp_path / "ledger").read_text() == "ab"


def test_law5_a_claim_that_is_over_keeps_nothing(storage, server, tmp_path):
    job = tasks.stepping_in_vain.enqueue(str(tmp_path))
    stepping = threading.Thread(target=server.step)
    stepping.start()
    eventually((tmp_path / "met").exists)
    storage.delete(job.id)
    (tmp_path / "met.go").touch()
    stepping.join(30)
    assert f"job {job.id}" in (tmp_path / "lost").read_text()
    assert storage.get(job.id) is None


def test_what_json_cannot_keep_is_said_and_not_tried_again(storage, server, tmp_path):
    job = tasks.stepping_oddly.enqueue(str(tmp_path))
    server.step()
    state = storage.get(job.id).state
    assert state.kind == "failed"
    assert "step 'odd': its result has the key 1" in state.exception
    assert (Path(tmp_path) / "odd").exists()


def test_many_threads_of_a_process_may_step(storage, server, tmp_path):
    job = tasks.stepping_by_many.enqueue(str(tmp_path))
    server.step()
    done = storage.get(job.id)
    assert done.state.result == [number % 10 for number in range(40)]
    assert done.notes.steps == {str(number): number for number in range(10)}
