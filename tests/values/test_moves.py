"""The table of moves: every pair of the 49, against the sentence of the contract."""

from datetime import UTC, datetime
from itertools import product

import pytest

from qml import Job, StateKind
from qml.values.errors import ConfigurationError, InvalidTransition
from qml.values.states import (
    FINAL,
    MOVES,
    STATES,
    WAITING,
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    Processing,
    Scheduled,
    Succeeded,
)

LATER = datetime(2031, 5, 6, 7, 8, 9, 123_456, UTC)

ONE_OF_EACH = {
    "enqueued": Enqueued(),
    "processing": Processing(worker_id="w", server_name="s"),
    "succeeded": Succeeded(result=[1]),
    "failed": Failed(exception="E: x"),
    "deleted": Deleted(),
    "scheduled": Scheduled(enqueue_at=LATER),
    "awaiting_retry": AwaitingRetry(retry_at=LATER),
}

# Contract, part 1, word for word; not read from the code.
ALLOWED = {
    "enqueued": "processing scheduled failed deleted",
    "scheduled": "enqueued deleted",
    "processing": "succeeded failed awaiting_retry enqueued deleted",
    "awaiting_retry": "enqueued failed deleted",
    "failed": "enqueued awaiting_retry deleted",
    "succeeded": "deleted",
    "deleted": "",
}


@pytest.mark.parametrize(("old", "new"), [*product(ONE_OF_EACH, ONE_OF_EACH)])
def test_every_pair(old, new):
    job = Job("m", state=ONE_OF_EACH[old])
    if new in ALLOWED[old].split():
        moved = job.with_state(ONE_OF_EACH[new])
        assert moved.state is ONE_OF_EACH[new]
        assert (moved.id, moved.version, moved.created_at) == (job.id, 0, job.created_at)
    else:
        with pytest.raises(InvalidTransition) as caught:
            job.with_state(ONE_OF_EACH[new])
        assert caught.value.job_id == job.id
        assert f"{job.id} (m) is {old} and cannot become {new}" in str(caught.value)
        for other in ALLOWED[old].split():
            assert other in str(caught.value).rpartition(";")[2]
    assert job.state is ONE_OF_EACH[old]


def test_the_end_says_that_it_is_the_end():
    with pytest.raises(InvalidTransition, match="nothing: it is final"):
        Job("m", state=Deleted()).with_state(Enqueued())


def test_the_table_has_every_kind_and_49_answers():
    assert set(MOVES) == set(StateKind) == set(STATES)
    assert len(StateKind) == 7
    assert sum(len(MOVES[kind]) for kind in StateKind) == 18


def test_where_jobs_rest_and_wait():
    assert {"succeeded", "failed", "deleted"} == FINAL
    assert {"enqueued", "scheduled", "awaiting_retry"} == WAITING


@pytest.mark.parametrize("wrong", [Enqueued, Deleted])
def test_a_class_is_no_state(wrong):
    with pytest.raises(ConfigurationError, match=r"state is .*; give a state"):
        Job("m", state=Failed()).with_state(wrong)
