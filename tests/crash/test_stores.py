"""The stores of a run: empty at its beginning, and looked through at its end."""

import argparse
import contextlib
import sqlite3

import psycopg2
import pytest

from qml import Job, Succeeded, connect
from tests.crash import stores


@pytest.fixture(params=stores.KINDS)
def store(request, tmp_path):
    options = argparse.Namespace(store=request.param, url=None)
    with stores.opened(options, tmp_path) as store:
        yield store


def test_a_sound_store_has_no_flaw(store):
    with connect(store.url) as storage:
        storage.enqueue_many([Job("t") for _ in range(10)])
        storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
        assert store.flaw(storage) == ""
        storage.get_job_counts = lambda: dict.fromkeys(storage.list()[0].state.kind.__class__, 3)
        assert "it counts" in store.flaw(storage)


def test_a_store_that_holds_jobs_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with connect(url) as storage:
        storage.enqueue(Job("t"))
    with (
        pytest.raises(SystemExit, match="holds 1 jobs"),
        stores.opened(argparse.Namespace(url=url), tmp_path),
    ):
        pass


def test_a_damaged_file_is_seen(tmp_path):
    """An index that no question here uses has lost its page."""
    path = tmp_path / "jobs.db"
    store = stores.Store(f"sqlite:///{path}")
    connect(store.url).close()
    with contextlib.closing(sqlite3.connect(path)) as raw:
        root = "SELECT rootpage FROM sqlite_schema WHERE name = 'qml_jobs_unique_key'"
        [(page,)] = raw.execute(root)
        [(size,)] = raw.execute("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    with connect(store.url) as storage:
        assert f"page {page}" in store.flaw(storage)


def test_an_index_that_misses_a_row_is_seen(tmp_path):
    options = argparse.Namespace(store="postgres", url=None)
    ready = "UPDATE pg_index SET indisready = %s WHERE indexrelid = 'qml.qml_jobs_id'::regclass"
    with (
        stores.opened(options, tmp_path) as store,
        contextlib.closing(psycopg2.connect(store.server.url)) as raw,
        connect(store.url) as storage,
    ):
        for is_ready in (False, True):
            with raw, raw.cursor() as cursor:
                cursor.execute(ready, (is_ready,))
            with connect(store.url) as another:  # whose connections see the index as it is now
                another.enqueue(Job("t"))
        assert "lacks" in store.flaw(storage)
