"""The recorder notes all that SQLite does to its files, in a process of its own."""

import pickle
import sqlite3
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.house.rules import REPO
from tests.powerloss import commits, interface, judge, mutants
from tests.powerloss.disk import Disk
from tests.powerloss.recorder import File, Recorder, Table
from tests.powerloss.recording import DATABASE, record
from tests.powerloss.trace import DIRECTORY, Created, Deleted, Synced, Syncing, Trace, Truncated
from tests.powerloss.workload import Plan

SHORT = Plan(1, storages=1, rounds=2, steps=8, checkpoint=20)


class Everything:
    """Chance that loses nothing."""

    def choice(self, choices):
        return "all there" if "all there" in choices else choices[-1]

    def random(self):
        return 0.0


@pytest.fixture(scope="module", params=["", "sqlite3"])
def recording(request):
    """Of the SQLite that qml chooses, and of Python's own."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param:
            patch.setenv("QML_SQLITE", request.param)
        return record(SHORT)


def as_noted(events):
    """The files when nothing is lost."""
    disk = Disk()
    for number, event in enumerate(events):
        disk.follow(number, event)
    return disk.image(Everything())[0]


def acts_of(events):
    return [event.what for event in events]


def test_what_it_noted_makes_the_files(recording):
    assert as_noted(recording.events) == recording.files
    assert DATABASE in recording.files


def test_the_last_commit_is_what_the_file_holds(recording):
    [*_, last] = commits.commits(recording.events, DATABASE)
    assert last.digest == commits.digest(recording.files[DATABASE])


def test_what_stock_sqlite_recovers_is_the_last_commit_so_far(recording, tmp_path):
    """While the log holds commits that the database file does not."""
    found = commits.commits(recording.events, DATABASE)
    half = found[len(found) // 2]
    for name, content in as_noted(recording.events[: half.event + 1]).items():
        (tmp_path / name).write_bytes(content)
    assert judge.look(tmp_path, DATABASE).digest == half.digest


def test_it_sees_the_log_made_and_removed_and_the_folder_synced(recording):
    acts = acts_of(recording.events)
    made = [act.name for act in acts if isinstance(act, Created)]
    assert made.count(f"{DATABASE}-wal") == 2  # closed once in between
    assert acts.count(Deleted(f"{DATABASE}-wal")) == 2
    folder = [n for n, act in enumerate(acts) if act == Syncing(DIRECTORY, 0)]
    assert len(folder) >= 3  # for the journal, and for each log
    assert all(Synced(number) in acts for number in folder)


def test_a_sync_has_an_end(recording):
    acts = acts_of(recording.events)
    begun = [number for number, act in enumerate(acts) if isinstance(act, Syncing)]
    assert sorted(act.begun for act in acts if isinstance(act, Synced)) == begun


def test_a_disk_may_lie_about_some_files():
    acts = acts_of(record(SHORT, "the_disk_lies_about_the_log").events)
    files = {act.file: act.name for act in acts if isinstance(act, Created)}
    safe = {acts[act.begun].file for act in acts if isinstance(act, Synced)}
    assert {files.get(file, "") for file in safe} == {"", DATABASE, f"{DATABASE}-journal"}


def test_a_mutant_that_fails_says_why():
    with pytest.raises(RuntimeError, match="KeyError"):
        record(SHORT, "no such mutant")


SHRINK = """
import pickle, sys
from pathlib import Path
from qml.drivers.sqlite.library import library
from tests.powerloss import interface, mutants, recorder, trace

trace, folder = trace.Trace(), Path(sys.argv[1])
recorder.Recorder(folder, trace, mutants.honest).install(interface.symbols(library))
connection = library.connect(folder / "jobs.db", isolation_level=None)
connection.executescript(
    "PRAGMA journal_mode = TRUNCATE; CREATE TABLE t AS SELECT zeroblob(50000) AS b;"
    "UPDATE t SET b = randomblob(50000); DELETE FROM t; VACUUM"
)
connection.close()
sys.stdout.buffer.write(pickle.dumps(trace.events))
"""


def test_it_notes_that_files_are_cut(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SHRINK, tmp_path], cwd=REPO, capture_output=True, check=True
    )
    events = pickle.loads(done.stdout)
    assert any(isinstance(event.what, Truncated) for event in events)
    assert as_noted(events) == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_sync_that_fails_or_has_not_ended_is_none(tmp_path):
    trace, during = Trace(), []
    (tmp_path / "f").touch()
    recorder = Recorder(tmp_path, trace, mutants.honest)

    def sync(code):
        during.append([*acts_of(trace.events)])
        return code

    for code in (0, 1):
        table = Table(None, None, None, lambda file, flags, code=code: sync(code), None)
        recorder._open[99] = File(1, "f", table)
        assert recorder._on_sync(99, 2) == code
    before = [Created("f", 1, b""), Syncing(DIRECTORY, 0), Synced(1)]
    assert during == [
        [*before, Syncing(1, 2)],
        [*before, Syncing(1, 2), Synced(3), Syncing(1, 2)],
    ]
    assert acts_of(trace.events) == during[-1]


def test_hidden_symbols_are_told():
    library = SimpleNamespace(connect=len, __name__="hidden", sqlite_version="9.9.9")
    with pytest.raises(LookupError, match="hidden"):
        interface.symbols(library)
    assert interface.symbols(sqlite3).sqlite3_libversion().decode() == sqlite3.sqlite_version


@pytest.mark.parametrize(("durability", "through"), [("full", True), ("normal", False)])
def test_full_durability_has_the_drive_flushed(durability, through):
    """macOS leaves it in the drive's own cache but for a "full" sync (3, not 2)."""
    syncs = [
        event.what.flags & 15
        for event in record(Plan(1, durability, storages=1, threads=1, steps=3)).events
        if isinstance(event.what, Syncing)
    ]
    assert (3 in syncs) is through
