"""Failures after which no further attempt can help, whatever attempts are left."""

import pytest

from qml import StateKind

RESULTS = {"no JSON": object(), "too large": "x" * 2_000_000}


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_that_cannot_be_kept(memory_app, result):
    """The task has done its work, and would do it again."""
    ran = []

    @memory_app.task(max_retries=5)
    def work():
        ran.append(1)
        return RESULTS[result]

    job = work.enqueue()
    server = memory_app.server(threads=1)
    assert server.step() == 1
    stored = memory_app.storage.get(job.id)
    assert stored.state.kind is StateKind.FAILED
    assert "the task's result" in stored.state.exception
    assert (server.step(), ran) == (0, [1])
