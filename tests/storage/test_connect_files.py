"""The file behind a SQLite URL: where it is made, when it is not, and the schema in it."""

import os
import re
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from qml import Job, MigrationError, SqliteConfig, StorageError, StorageUnavailable, connect
from qml.drivers.sqlite import troubles
from qml.drivers.sqlite.library import library

REPO = Path(__file__).parents[2]


def files(folder):
    """The SQLite files of a folder, less their logs and shared memory."""
    return sorted(
        path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))
    )


@pytest.mark.parametrize("how", ["sqlite:///{}?create=false", "config"])
def test_those_who_only_look_make_nothing(tmp_path, how):
    path = tmp_path / "jobs.db"

    def look():
        if how == "config":
            return connect(SqliteConfig(path, create=False))
        return connect(how.format(path))

    missing = f"{re.escape(str(path))} does not exist; .* create=false"
    with pytest.raises(StorageUnavailable, match=missing):
        look()
    assert files(tmp_path) == []
    path.touch()
    with pytest.raises(StorageUnavailable, match="holds no jobs of qml"):
        look()
    assert path.read_bytes() == b""
    with connect(SqliteConfig(path)) as storage:
        job = storage.enqueue(Job("m"))
    with look() as storage:
        assert storage.get(job.id) == job


def test_a_missing_folder_is_named_and_not_made(tmp_path):
    with pytest.raises(StorageUnavailable, match=f"the folder {tmp_path}/no does not exist"):
        connect(f"sqlite:///{tmp_path}/no/jobs.db")
    assert files(tmp_path) == []


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(StorageUnavailable, match=f"{tmp_path}: it is a folder"):
        connect(SqliteConfig(tmp_path))


def test_a_file_that_may_not_be_written(tmp_path):
    """As SQLite tells it: root, as which this may run, may write everything."""
    uri = f"{(tmp_path / 'jobs.db').as_uri()}?mode=ro"
    with pytest.raises(library.Error) as unopened:
        library.connect(uri, uri=True)
    with closing(library.connect(tmp_path / "jobs.db")) as made:
        made.execute("CREATE TABLE t (x)")
    only_read = library.connect(uri, uri=True)
    with closing(only_read), pytest.raises(library.Error) as unwritten:
        only_read.execute("INSERT INTO t VALUES (1)")
    assert [
        str(troubles.translated("a.db", one.value)).partition(" has to be able")[0]
        for one in (unopened, unwritten)
    ] == [
        "a.db: unable to open database file; whoever runs this",
        "a.db: attempt to write a readonly database; whoever runs this",
    ]


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 30) + "/jobs.db"])
def test_a_name_that_is_too_long(tmp_path, name):
    with pytest.raises(StorageUnavailable, match=r"SQLite file .*: File name too long"):
        connect(SqliteConfig(tmp_path / name))


def test_a_file_that_is_something_else(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, " * 1_000)
    with pytest.raises(StorageError, match=r"notes\.txt is damaged or no SQLite file"):
        connect(f"sqlite:///{path}")
    assert path.read_text() == "Dear diary, " * 1_000


def test_a_file_that_cannot_be_written_is_told_with_what_to_do(tmp_path):
    """As on a disk that is mounted read-only."""
    (tmp_path / "jobs.db").symlink_to(tmp_path / "gone" / "jobs.db")
    with pytest.raises(StorageUnavailable, match=r"unable to open .*mounted read-only"):
        connect(f"sqlite:///{tmp_path}/jobs.db")


def test_a_relative_path_is_fixed_when_connecting(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    monkeypatch.chdir(first)
    found = []
    with connect("sqlite:///jobs.db") as storage:
        job = storage.enqueue(Job("m"))
        monkeypatch.chdir(second)
        storage.driver._connections.before_fork()  # whatever is open is closed, and opened anew
        storage.driver._connections.after_fork_in_parent()
        found.append(storage.get(job.id))
        storage.enqueue(Job("m"))
        assert str(first / "jobs.db") in repr(storage)
    assert found == [job]
    assert files(first) == ["jobs.db"]
    assert files(second) == []


@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_a_file_that_is_gone_takes_nothing(tmp_path, how):
    path, away = tmp_path / "jobs.db", tmp_path / "away.db"
    with connect(SqliteConfig(path)) as storage:
        job = storage.enqueue(Job("m"))
        path.rename(away)
        if how == "replaced":
            path.touch()
        with pytest.raises(StorageUnavailable, match=r"jobs\.db was deleted, moved or replaced"):
            storage.enqueue(Job("m"))
        with pytest.raises(StorageUnavailable, match=r"jobs\.db was deleted, moved or replaced"):
            storage.fetch_and_lock_job("w")
        storage.driver._connections.before_fork()  # nor does a new connection make another
        storage.driver._connections.after_fork_in_child()
        with pytest.raises(StorageUnavailable, match="put it back"):
            storage.get(job.id)
        assert path.exists() == (how == "replaced")
        away.replace(path)
        assert storage.fetch_and_lock_job("w").id == job.id
        storage.enqueue(Job("m"))


# -- the schema --------------------------------------------------------------------------------

SET_VERSION = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    connection.execute("UPDATE qml_meta SET value = ? WHERE name = 'schema'", (sys.argv[2],))
connection.close()
"""


def set_version(path, version):
    """In a process of its own: two SQLite libraries in one would not see each other's locks."""
    command = [sys.executable, "-c", SET_VERSION, path, str(version)]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_schema_is_left_alone(tmp_path, create):
    path = tmp_path / "jobs.db"
    with connect(SqliteConfig(path)) as storage:
        job = storage.enqueue(Job("m"))
    set_version(path, 99)
    with pytest.raises(MigrationError) as caught:
        connect(SqliteConfig(path, create=create))
    said = str(caught.value)
    assert re.search(rf"{path} has schema version 99, made by a newer qml; this is qml \d", said)
    assert "upgrade it (pip install -U" in said
    set_version(path, 1)
    with connect(SqliteConfig(path)) as storage:
        assert storage.get(job.id) == job


def test_a_version_that_is_no_number_is_damage(tmp_path):
    path = tmp_path / "jobs.db"
    connect(SqliteConfig(path)).close()
    set_version(path, "one")
    with pytest.raises(StorageError, match=r"jobs\.db does not say of which version"):
        connect(SqliteConfig(path))


INSTALL = """
import sys, time
from pathlib import Path
from qml import Job, connect
folder, number = Path(sys.argv[1]), sys.argv[2]
(folder / f"{number}.ready").touch()
while not (folder / "go").exists():
    time.sleep(0.0005)
with connect(f"sqlite:///{folder}/jobs.db") as storage:
    storage.enqueue(Job("m", [number]))
"""


def test_processes_may_install_the_schema_at_once(tmp_path):
    numbers = [str(number) for number in range(4)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", INSTALL, tmp_path, number],
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in numbers
    ]
    try:
        until = time.monotonic() + 60
        while len([*tmp_path.glob("*.ready")]) < len(processes) and time.monotonic() < until:
            time.sleep(0.01)
        (tmp_path / "go").touch()
        told = [process.communicate(timeout=60)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * len(processes), told
    with connect(f"sqlite:///{tmp_path}/jobs.db") as storage:
        assert sorted(job.arguments[0] for job in storage.list()) == numbers
