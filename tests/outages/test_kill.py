"""The server is killed (SIGKILL) and started again on its data while qml servers run."""

import pytest

from qml import StorageUnavailable
from tests.work.support import eventually

from .tasks import SOON, Site


@pytest.fixture
def site(own):
    with own.open(retry=SOON) as storage:
        yield Site(storage)


def test_jobs_before_during_and_after_run_once(site, server):
    ends_during, ends_after = (site.hold(n) for n in ("ends during", "ends after"))
    with site.app.server(threads=4, poll_interval=0.1):
        before = [site.note.enqueue(n) for n in range(5)]
        assert site.done(*before) == [0, 1, 2, 3, 4]
        for gate in site.gates.values():
            gate.someone_waits()
        soon = site.note.using(run_after=0.5).enqueue("falls due during")
        server.kill()
        with pytest.raises(StorageUnavailable):
            site.note.using(id="during").enqueue("during")
        site.gates["ends during"].open()
        eventually(lambda: site.line.failed["swap"])
        server.start()
        during, after = site.insist("during", id="during"), site.insist("after")
        site.gates["ends after"].open()
        jobs = [*before, ends_during, ends_after, soon, during, after]
        assert site.done(*jobs) == [job.arguments[0] for job in jobs]
    assert set(site.runs.values()) == {1}
    assert set(site.attempts().values()) == {1}


def test_a_storage_that_idled_meanwhile_notices_nothing(site, server):
    job = site.note.enqueue(1)
    server.kill()
    server.start()
    assert site.storage.get(job.id) == job
    assert site.storage.fetch_and_lock_job("w").id == job.id
