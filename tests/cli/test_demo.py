"""``qml demo``: what it finds is what hashlib says, and nothing is done twice."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from qml import Job, Processing, SqliteConfig, Succeeded, connect
from qml.cli import demo, demo_files, demo_report, demo_tasks
from qml.cli.demo_work import METHOD, QUEUE
from qml.storage import checks

DB = ("--db", "demo.db")


@pytest.fixture
def files(folder):
    """A folder of files: in subfolders, empty, equal, with odd names."""
    root = folder / "files"
    for number in range(60):
        path = root / f"{number % 7}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number % 45}\n" * number)
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "empty").touch()
    (root / "large.bin").write_bytes(os.urandom(3_000_000))
    (root / "large too.bin").write_bytes((root / "large.bin").read_bytes())
    (root / "naïve 漢字.txt").write_text("x")
    return root


def sums_of(root):
    """What the demo should find."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def found(called):
    return {each["path"]: each["sha256"] for each in called["sums"]}


@pytest.fixture
def hashed(qml):
    """The demo's JSON; it must have succeeded."""

    def call(*argv, code=0):
        called = qml("demo", *argv, *DB, "--json")
        assert called.code == code, called.err
        return json.loads(called.out)

    return call


@pytest.fixture
def store(folder):
    with connect("sqlite:///demo.db") as storage:
        yield storage


def test_it_agrees_with_hashlib(hashed, files):
    result = hashed(files)
    expected = sums_of(files)
    assert found(result) == expected
    assert result["files"] == result["new"] == len(expected)
    assert result["known"] == 0
    assert result["bytes"] == sum(path.stat().st_size for path in files.rglob("*.*"))
    assert result["failures"] == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_it_agrees_with_sha256sum(hashed, files):
    command = "find . -type f -print0 | xargs -0 sha256sum"
    run = subprocess.run(command, shell=True, cwd=files, capture_output=True, text=True, check=True)
    lines = (line.split("  ./", 1) for line in run.stdout.splitlines())
    assert found(hashed(files)) == {path: digest for digest, path in lines}


def test_duplicates_come_by_what_they_waste(hashed, files):
    groups = hashed(files)["duplicates"]
    assert groups[0]["paths"] == ["large too.bin", "large.bin"]
    wasted = [group["bytes"] * (len(group["paths"]) - 1) for group in groups]
    assert wasted == sorted(wasted, reverse=True)
    by_sum = {}
    for path, digest in sums_of(files).items():
        by_sum.setdefault(digest, set()).add(path)
    assert {group["sha256"]: set(group["paths"]) for group in groups} == {
        digest: paths for digest, paths in by_sum.items() if len(paths) > 1
    }


def test_a_second_run_hashes_nothing(hashed, files, store, monkeypatch):
    first = hashed(files)
    before = store.list()
    monkeypatch.setattr(demo_tasks, "sha256", lambda *_: pytest.fail("hashed again"))
    second = hashed(files)
    assert (second["new"], second["known"]) == (0, first["new"])
    assert found(second) == found(first)
    assert store.list() == before


def test_only_what_changed_is_hashed(hashed, files):
    count = hashed(files)["files"]
    (files / "1" / "1.txt").write_text("another text")
    (files / "fresh").write_text("fresh")
    (files / "2" / "2.txt").unlink()
    (files / "3" / "3.txt").rename(files / "3" / "moved.txt")
    result = hashed(files)
    assert (result["new"], result["known"]) == (3, count - 3)
    assert found(result) == sums_of(files)


def test_the_same_size_at_another_time_is_a_change(hashed, files):
    hashed(files)
    path = files / "5" / "5.txt"
    text = path.read_text()
    path.write_text("X" + text[1:])
    os.utime(path, ns=(1, 1))
    result = hashed(files)
    assert result["new"] == 1
    assert found(result) == sums_of(files)


def test_a_part_of_a_folder_is_known_too(hashed, files, monkeypatch):
    hashed(files)
    part = hashed(files / "deep")
    assert (part["new"], part["known"]) == (0, 1)
    assert list(found(part)) == ["er/empty"]
    monkeypatch.chdir(files / "deep")
    here = hashed("--db", files.parent / "demo.db")
    assert here["folder"] == str(files / "deep")


def test_links_and_pipes_are_left_out(hashed, files):
    os.symlink("large.bin", files / "link")
    os.symlink(".", files / "loop")
    os.symlink("nowhere", files / "broken")
    os.mkfifo(files / "pipe")
    assert found(hashed(files)) == sums_of(files)


def test_its_own_database_is_neither_hashed_nor_opened(qml, files, monkeypatch):
    """Closing a file ends the locks that SQLite holds on it."""
    database = files / "own.db"
    connect(SqliteConfig(database)).close()
    os.link(database, files / "the same.db")
    opened = []
    really = os.open

    def spy(path, *rest, **options):
        opened.append(os.path.basename(os.fsdecode(path)))
        return really(path, *rest, **options)

    monkeypatch.setattr(os, "open", spy)
    called = qml("demo", files, "--db", database, "--json")
    assert called.code == 0
    paths = {each["path"] for each in json.loads(called.out)["sums"]}
    assert "large.bin" in paths
    assert "large.bin" in opened
    for name in ("own.db", "own.db-wal", "own.db-shm", "the same.db"):
        assert name not in paths
        assert name not in opened


def test_the_task_itself_does_not_open_the_database(folder, monkeypatch):
    path = folder / "own.db"
    path.write_text("x")
    status = path.stat()
    entry = (str(path), status.st_size, status.st_mtime_ns)
    assert demo_tasks.sha256(*entry) == hashlib.sha256(b"x").hexdigest()
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    left_out = demo_tasks.leaving_out(demo_files.own_files(path))
    with left_out, pytest.raises(demo_tasks.FileChanged, match="own database"):
        demo_tasks.sha256(*entry)


def unreadable(monkeypatch, name):
    really = os.open

    def refuse(path, *rest, **options):
        if os.fsdecode(path).endswith(name):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)


def test_what_cannot_be_read_is_counted_with_its_reason(hashed, qml, files, monkeypatch):
    with monkeypatch.context() as patch:
        unreadable(patch, "1.txt")
        result = hashed(files, code=1)
        names = sorted(str(path.relative_to(files)) for path in files.rglob("*1.txt"))
        assert sorted(each["path"] for each in result["failures"]) == names
        reasons = {each["reason"] for each in result["failures"]}
        assert reasons == {"PermissionError: [Errno 13] Permission denied"}
        assert set(found(result)) == set(sums_of(files)) - set(names)
        called = qml("demo", files, *DB)
        out = called.out
        assert "failed in attempt" not in called.err
        assert f"{len(names)} could not be read\n" in out
        assert "1.txt: PermissionError: [Errno 13] Permission denied\n" in out
    again = hashed(files)
    assert (again["new"], again["tried_again"]) == (0, len(names))
    assert found(again) == sums_of(files)


def test_a_folder_that_cannot_be_read(hashed, files, monkeypatch):
    really = os.scandir

    def refuse(path):
        if os.path.basename(path) == "deep":
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = hashed(files, code=1)
    assert result["failures"] == [
        {"path": "deep", "reason": "PermissionError: Permission denied"},
    ]
    assert "large.bin" in found(result)


def test_a_file_that_changes_after_it_was_listed(hashed, files, monkeypatch):
    really = demo_files.files_below

    def later(*given):
        for entry in really(*given):
            yield entry
            if str(entry[0]).endswith("large.bin"):
                (files / "large.bin").write_text("changed")

    with monkeypatch.context() as patch:
        patch.setattr(demo, "files_below", later)
        result = hashed(files, code=1)
    [failure] = result["failures"]
    assert failure["path"] == "large.bin"
    assert "changed after it was listed" in failure["reason"]
    assert found(hashed(files)) == sums_of(files)


def test_a_file_that_changes_while_it_is_read(hashed, files, monkeypatch):
    """A mixture of old and new bytes is nobody's sum."""
    really = os.read

    def slowly(file, size):
        block = really(file, size)
        if len(block) == size:
            os.utime(file, ns=(2, 2))
        return block

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", slowly)
        result = hashed(files, code=1)
    paths = {each["path"] for each in result["failures"]}
    assert paths == {"large.bin", "large too.bin"}
    assert found(hashed(files)) == sums_of(files)


def test_names_that_are_no_text(hashed, qml, files):
    odd = os.fsencode(files) + b"/\xff\xfe.bin"
    with open(odd, "wb") as file:
        file.write(b"odd")
    hostile = files / "\x1b[31mred\n.txt"
    hostile.write_text("odd")
    result = hashed(files)
    digest = hashlib.sha256(b"odd").hexdigest()
    assert found(result)["\udcff\udcfe.bin"] == digest
    assert found(result)["\x1b[31mred\n.txt"] == digest
    for name in ("one", "two", "three"):
        shutil.copy(odd, os.fsencode(files / name))
    out = qml("demo", files, *DB).out
    assert out.replace("\n", "").isprintable()
    assert r"\x1b[31mred\n.txt" in out
    assert r"\udcff\udcfe.bin" in out


def test_the_table(qml, files):
    lines = qml("demo", files, *DB).out.splitlines()
    count = len(sums_of(files))
    assert lines[0] == f"{count} files new or changed, 0 known"
    assert lines[2].split() == ["FILES", "BYTES", "SECONDS", "JOBS/S"]
    assert lines[3].split()[:3] == [str(count), "6.0", "MB"]
    assert "3.0 MB to spare" in lines[5]
    assert lines[7].startswith("  2 x 3.0 MB  sha256 ")
    assert lines[8:10] == ["    large too.bin", "    large.bin"]
    again = qml("demo", files, *DB).out.splitlines()
    assert again[0] == f"0 files new or changed, {count} known"


def test_long_lists_are_shortened(qml, folder):
    for number in range(40):
        for copy in range(2):
            (folder / f"{number} {copy}").write_text("x" * number)
    for copy in range(9):
        (folder / f"many {copy}").write_text("many" * 100)
    out = qml("demo").out
    assert out.startswith("89 files new or changed, 0 known\n")
    assert out.count(" sha256 ") == demo_report.GROUPS
    assert "    ... and 4 more\n" in out
    assert "  ... and 31 smaller groups; --json has them all\n" in out


def test_no_duplicates(qml, folder):
    (folder / "only").write_text("x")
    assert "No two files have the same bytes.\n" in qml("demo").out


def test_an_empty_folder(qml, folder):
    called = qml("demo")
    assert called.code == 0
    assert called.out.startswith("0 files new or changed, 0 known\n")
    assert {path.name for path in folder.iterdir()} == {"qml-demo.db"}


def test_no_such_folder(qml, folder):
    called = qml("demo", "nowhere")
    assert called.code == 2
    assert "'nowhere' is no folder" in called.err
    assert list(folder.iterdir()) == []


def test_other_jobs_in_the_database_are_left_alone(hashed, files, store):
    job = store.enqueue(Job("somebody.elses"))
    hashed(files)
    assert store.get(job.id) == job


def orphan(store, files, lease, **options):
    """A file's job, held by a worker that is gone."""
    path = files / "large.bin"
    status = path.stat()
    entry = demo_files.Found.of(str(path), status.st_size, status.st_mtime_ns)
    job = Job(METHOD, entry.arguments, queue=QUEUE, id=entry.job_id, **options)
    store.enqueue(job)
    claimed = store.fetch_and_lock_job("gone", [QUEUE], lease_seconds=lease)
    assert isinstance(claimed.state, Processing)
    return claimed


def test_it_waits_for_what_a_killed_run_held(hashed, files, store):
    held = orphan(store, files, 1.0)
    result = hashed(files)
    assert found(result) == sums_of(files)
    assert result["unfinished_before"] == 1
    assert store.get(held.id).attempt == 2


def test_a_job_whose_every_run_was_killed_is_not_given_up(hashed, files, store):
    held = orphan(store, files, 1.0, max_retries=0)
    result = hashed(files)
    assert result["failures"] == []
    assert found(result) == sums_of(files)
    assert isinstance(store.get(held.id).state, Succeeded)


def test_a_job_that_was_cancelled_or_deleted_is_made_anew(hashed, files, store):
    hashed(files)
    one, two = store.list(limit=2)
    store.cancel(one.id)
    store.delete(two.id)
    result = hashed(files)
    assert result["new"] == 2
    assert found(result) == sums_of(files)


def test_two_runs_on_one_database_share_the_work(hashed, files, store, monkeypatch):
    """Another run enqueues the same files between the look and the enqueueing."""
    look = demo.Work._sort_out

    def overtaken(self, by_id, stored):
        fresh = look(self, by_id, stored)
        for job_id, file in list(fresh.items())[:3]:
            if store.get(job_id) is None:
                store.enqueue(Job(METHOD, file.arguments, queue=QUEUE, id=job_id))
        return fresh

    monkeypatch.setattr(demo.Work, "_sort_out", overtaken)
    assert found(hashed(files)) == sums_of(files)
    assert store.get_job_counts()["succeeded"] == len(sums_of(files))


def test_names_of_its_queue_are_good():
    assert checks.queue_names([QUEUE]) == (QUEUE,)


def test_ids_differ_by_path_size_and_time():
    entries = [("/a", 1, 2), ("/a", 2, 1), ("/a", 1, 3), ("/b", 1, 2), ("/a\n1", 1, 2)]
    ids = {demo_files.Found.of(*entry).job_id for entry in entries}
    assert len(ids) == len(entries)
    # What was stored by an earlier qml is found again.
    assert demo_files.Found.of("/a", 1, 2).job_id == "e85fb5b1-0016-5abb-ba4b-7cdc507e9105"
