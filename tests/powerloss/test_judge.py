"""The judge names what must not be, in files and histories made by hand."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from qml import Enqueued, Job, Processing, Succeeded
from qml.testing import ManualClock
from tests.powerloss import judge
from tests.powerloss.commits import Commit
from tests.powerloss.promises import Ledger, is_same
from tests.powerloss.trace import Answered, Called, Event
from tests.powerloss.workload import open_storage

FILE = "jobs.db"
THEN = datetime(2030, 1, 1, tzinfo=UTC)


# -- files --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    with open_storage(tmp_path / FILE, "full", ManualClock()) as storage:
        storage.enqueue_many([Job("task", id="a", unique_key="k"), Job("task", id="b")])
    return tmp_path


def spoil(folder, statement):
    """In a process of its own: two SQLites in one do not see each other's locks."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, folder / FILE, statement], check=True)


def test_a_whole_file_has_no_fault(folder):
    found = judge.look(folder, FILE)
    assert found.faults == []
    assert found.digest is not None
    assert found.versions == {"a": 0, "b": 0}
    assert {job.id for job in judge.read(folder, FILE)} == {"a", "b"}


def test_an_empty_file_has_nothing_in_it(tmp_path):
    (tmp_path / FILE).touch()
    assert judge.look(tmp_path, FILE) == ([], None, b"", {})
    assert judge.read(tmp_path, FILE) == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM qml_payloads WHERE seq = 1", "job a has no payload"),
        ("DELETE FROM qml_jobs WHERE id = 'b'", "payload 2 has no job"),
        ("UPDATE qml_jobs SET key_held = 0 WHERE id = 'a'", "job a is enqueued and has key_held 0"),
        (
            "UPDATE qml_jobs SET state = 'failed'",
            "job a is failed and has key_held 2",
        ),
    ],
)
def test_half_a_change_is_a_fault(folder, statement, fault):
    spoil(folder, statement)
    assert judge.look(folder, FILE).faults == [fault]


def test_an_index_that_lacks_a_row_is_a_fault(folder):
    lie = "replace(sql, '(state, queue,', '(queue, state,') WHERE name = 'qml_jobs_listing'"
    spoil(folder, f"PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = {lie}")
    faults = judge.look(folder, FILE).faults
    assert faults
    assert all(fault.startswith("integrity_check: ") for fault in faults)


def test_a_damaged_file_is_a_fault(folder):
    content = bytearray((folder / FILE).read_bytes())
    content[8192:12288] = bytes(4096)
    (folder / FILE).write_bytes(content)
    assert judge.look(folder, FILE).faults


# -- histories ----------------------------------------------------------------------------------


def job(job_id, version, state=None, **parts):
    state = state or Enqueued(THEN, "default")
    made = {"created_at": THEN, "version": version, "state": state, **parts}
    return Job("task", id=job_id, **made)


CLAIMED = job("a", 1, Processing(THEN, "w"), attempt=1, fence=1)
DONE = job("a", 2, Succeeded(THEN, 1, "r"), attempt=1, fence=1)

# An enqueue is events 0 and 1, a claim 2 and 3, a finish 4 and 5, an enqueue of two 6 and 7, a
# delete of one of these 8 and 9, a purge 10 and 11.
STORY = [
    Called("enqueue", ("a",)),
    Answered(0, True, (job("a", 0),)),
    Called("claim"),
    Answered(2, False, (CLAIMED,)),
    Called("finish"),
    Answered(4, True, (DONE,)),
    Called("enqueue", ("b", "c")),
    Answered(6, True, (job("b", 0), job("c", 0))),
    Called("delete", ("b",)),
    Answered(8, True, (), ("b",)),
    Called("purge", by=THEN),
    Answered(10, True),
]
LEDGER = Ledger([Event(0.0, 1, what) for what in STORY], [], ())


def faults(moment, *jobs):
    found = {each.id: each for each in jobs}
    promises = LEDGER.at(moment)
    return [*judge.kept(found, promises), *judge.true(found, promises, LEDGER)]


@pytest.mark.parametrize(
    ("moment", "jobs"),
    [
        (0, []),
        (1, []),
        (1, [job("a", 0)]),  # not answered yet: there or not
        (2, [job("a", 0)]),
        (4, [job("a", 0)]),  # the claim is forgotten
        (4, [CLAIMED]),
        (5, [DONE]),
        (6, [DONE]),
        (7, [DONE]),
        (7, [DONE, job("b", 0), job("c", 0)]),
        (9, [DONE, job("c", 0)]),  # the delete has begun
        (9, [DONE, job("b", 0), job("c", 0)]),
        (10, [DONE, job("c", 0)]),
        (11, [job("c", 0)]),  # the purge has begun
    ],
)
def test_what_may_be(moment, jobs):
    assert faults(moment, *jobs) == []


@pytest.mark.parametrize(
    ("moment", "jobs", "fault"),
    [
        (0, [job("a", 0)], "nobody had enqueued it"),
        (2, [], "acknowledged as enqueued (version 0, fence 0), is lost"),
        (6, [], "acknowledged as succeeded (version 2, fence 1), is lost"),
        (6, [CLAIMED], "is processing (version 1, fence 1)"),
        (6, [job("a", 0)], "is enqueued (version 0, fence 0)"),
        (6, [job("a", 2, Succeeded(THEN, 1, "other"), attempt=1, fence=1)], "not what it was"),
        (6, [job("a", 2, DONE.state, attempt=1, fence=0)], "not what it was"),
        (6, [job("a", 3, DONE.state, attempt=1, fence=1)], "which it never was"),
        (7, [DONE, job("b", 0)], "of 2 jobs of one call 1 are there"),
        (10, [DONE, job("b", 0), job("c", 0)], "acknowledged as removed, is back"),
        (12, [DONE], "job c, acknowledged as enqueued"),
    ],
)
def test_what_must_not_be(moment, jobs, fault):
    found = faults(moment, *jobs)
    assert any(fault in sentence for sentence in found), found


def test_a_lease_may_be_forgotten():
    leased = job("a", 0, lease_expires_at=THEN + timedelta(seconds=30))
    assert is_same(leased, job("a", 0))
    assert not is_same(leased, job("a", 1))


def test_a_commit_belongs_to_the_call_of_its_thread():
    events = [Event(0.0, thread, what) for thread, what in enumerate(STORY[:1] * 2)]
    events += [Event(0.0, 0, None), Event(0.0, 1, None), Event(0.0, 1, None)]
    events += [Event(0.0, 1, Answered(1, True)), Event(0.0, 0, Answered(0, True))]
    commits = [Commit(number, 0, b"") for number in (2, 3, 4)]
    ledger = Ledger(events, commits, ())
    assert [(call.ended, call.commits) for call in ledger.calls] == [(5, 3), (6, 1)]
    assert [ledger.at(moment).commits for moment in (5, 6, 7)] == [0, 3, 3]


def test_what_was_there_before_has_to_stay():
    ledger = Ledger([], [], [job("old", 4)])
    promises = ledger.at(0)
    assert [*judge.kept({}, promises)] == [
        "job old, acknowledged as enqueued (version 4, fence 0), is lost"
    ]
    assert [*judge.true({"old": job("old", 4)}, promises, ledger)] == []
