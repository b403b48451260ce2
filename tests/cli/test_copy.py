"""``qml copy``: real stores, real processes, kills and signals at any moment."""

import json
import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from qml import Failed, Job, Qml, StorageUnavailable, Succeeded, connect
from qml.cli import copy as command
from qml.cli.copy import HowFar
from qml.drivers.sqlite import SqliteDriver
from qml.seam.rows import Page
from qml.storage import copying, servers
from qml.work.progress import Progress
from tests.cli.calls import ended, until
from tests.drivers import postgres_store, redis_store
from tests.drivers.making import row

FROM, TO = "sqlite:///from.db", "sqlite:///to.db"

COUNT = 8_000


@pytest.fixture
def source(folder):
    """A few jobs."""
    with connect(FROM) as storage:
        storage.enqueue_many([Job("m", [n]) for n in range(1_203)])
        for outcome in (Succeeded(), Failed(exception="E: x")):
            storage.finish(storage.fetch_and_lock_job("w"), outcome)
        yield storage


@pytest.fixture
def many(folder):
    """Many jobs."""
    with connect(FROM) as storage:
        storage.enqueue_many([Job("m", [n, "x" * 500], queue=f"{n % 3}") for n in range(COUNT)])
        yield storage


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def to(request, folder):
    """The URL of a store that is not there yet."""
    if request.param == "sqlite":
        return TO
    if request.param == "postgres":
        config = postgres_store.config(folder)
        return f"{config.database_url}?schema_name={config.schema_name}"
    config = redis_store.config(folder)
    return f"{config.url}?key_prefix={config.key_prefix}"


def rows_of(url):
    """All rows, oldest first."""
    with connect(url) as storage:
        return [one._replace(seq=None) for one in storage.driver.scan(Page())[::-1]]


def is_copied(url=TO):
    return rows_of(url) == rows_of(FROM)


def stored(url=TO):
    """How many jobs are there, as somebody sees who looks from outside."""
    with connect(url) as storage:
        return sum(storage.get_job_counts().values())


def meanwhile(monkeypatch, change):
    """Have ``change`` happen after the first page."""

    def copy(source, target, progress):
        left = [change]

        def told(*how_far):
            progress(*how_far)
            if left:
                left.pop()()

        return copying.copy(source, target, told)

    monkeypatch.setattr(command, "copy", copy)


# -- what it says ------------------------------------------------------------------------------


def test_what_it_says(qml, source, folder):
    called = qml("copy", FROM, TO)
    assert called.code == 0
    assert called.err == ""
    begin, _, end = called.out.partition(", in ")
    assert begin == (
        f"FROM  SQLite file {folder}/from.db\n"
        f"TO    SQLite file {folder}/to.db\n"
        "\n"
        "STATE            FROM     TO\n"
        "enqueued        1,201  1,201\n"
        "processing          0      0\n"
        "succeeded           1      1\n"
        "failed              1      1\n"
        "deleted             0      0\n"
        "scheduled           0      0\n"
        "awaiting_retry      0      0\n"
        "all             1,203  1,203\n"
        "\n"
        "1,203 jobs copied; all compared, all the same"
    )
    assert end.partition("\n\n")[2] == command.NEXT + "\n"
    assert max(map(len, called.out.splitlines()[3:])) <= 80
    assert is_copied()


def test_again_it_finds_everything_there(qml, source):
    qml("copy", FROM, TO)
    source.enqueue(Job("new"))
    source.driver.write("queue/a", "1", 0)
    called = qml("copy", FROM, TO)
    assert called.code == 0
    assert "\n1 job copied, and 1 record; 1,203 were there already; all compared" in called.out


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "1 job in processing was lost by its worker; TO's first server rescues it.\n"),
        (2, "2 jobs in processing were lost by their workers; TO's first server rescues them.\n"),
    ],
)
def test_what_dead_workers_left_is_told(qml, source, count, words):
    lost = source.claim("dead", count, lease_seconds=0.000_001).jobs
    called = qml("copy", FROM, TO)
    assert called.code == 0
    assert words in called.out
    with connect(TO) as target:
        assert {job.id for job in target.rescue()} == {job.id for job in lost}


def test_json(qml, source, folder):
    called = qml("copy", FROM, TO, "--json")
    assert (called.code, called.err) == (0, "")
    said = json.loads(called.out)
    assert said.pop("seconds") > 0
    counts = {"enqueued": 1_201, "processing": 0, "succeeded": 1, "failed": 1}
    counts |= {"deleted": 0, "scheduled": 0, "awaiting_retry": 0}
    assert said == {
        "from": f"SQLite file {folder}/from.db",
        "to": f"SQLite file {folder}/to.db",
        "complete": True,
        "copied": 1_203,
        "found": 0,
        "records": 0,
        "counts": {"from": counts, "to": counts},
        "differences": [],
    }


def test_what_came_meanwhile_is_told(qml, source, monkeypatch):
    """The very end: all is compared but the counts."""
    qml("copy", FROM, TO)
    new = []
    meanwhile(monkeypatch, lambda: new.extend(source.enqueue_many([Job("m") for _ in range(30)])))
    monkeypatch.setattr(copying, "_fill", lambda *_: 0)
    called = qml("copy", FROM, TO)
    assert called.code == 1
    assert "\nenqueued        1,231  1,201\n" in called.out
    assert "\n0 jobs copied; 1,203 were there already, in " in called.out
    listed = "\n".join(f"job {job.id} is only in FROM" for job in new[:20])
    assert f"\n{listed}\n... 30 differences in all\n\n{command.AGAIN}\n" in called.out


def test_what_changed_meanwhile_is_told(qml, source, monkeypatch):
    job = source.list()[-5]
    meanwhile(monkeypatch, lambda: source.cancel(job.id, "\x1b[2J"))
    called = qml("copy", FROM, TO)
    assert called.code == 1
    columns = "version, state, due_at, finished_at, detail"
    assert f".\n\njob {job.id} differs: {columns}\n\n{command.ANEW}\n" in called.out
    called = qml("copy", FROM, TO)
    assert (called.code, called.out) == (1, "")
    assert f"is neither empty nor a beginning of this copy: job {job.id} differs" in called.err


def test_differences_in_json(qml, source, monkeypatch):
    job = source.list()[-5]
    meanwhile(monkeypatch, lambda: source.delete(job.id))
    called = qml("copy", FROM, TO, "--json")
    assert called.code == 1
    said = json.loads(called.out)
    assert said["complete"] is False
    [found] = said["differences"]
    assert found == {"of": "job", "name": job.id, "kind": "only_to", "columns": []}


def test_a_state_that_damage_made_is_counted(qml, folder):
    with connect(FROM) as storage:
        storage.driver.insert([row("a", state="zombie\x1b[2J")])
    called = qml("copy", FROM, TO)
    assert called.code == 0
    assert "\nzombie\\x1b[2J      1   1\n" in called.out
    assert is_copied()


# -- what it refuses ---------------------------------------------------------------------------


def is_refused(called, code, *words):
    assert (called.code, called.out) == (code, "")
    [line] = called.err.splitlines()
    assert line.startswith("qml: ")
    for word in words:
        assert word in line


def test_what_runs_is_refused(qml, source):
    job = source.fetch_and_lock_job("w")
    is_refused(qml("copy", FROM, TO), 1, f"1 running job: {job.id} (m)", "within 30 s")
    assert stored() == 0


def test_a_server_is_refused(qml, source):
    app = Qml(source)
    with app.server(threads=1, queues=["none"], name="web") as server:
        until(lambda: servers.alive(source))
        is_refused(qml("copy", FROM, TO), 1, f"from.db has 1 server: {server.worker_id} (last sign")
    assert stored() == 0
    assert qml("copy", FROM, TO).code == 0
    with connect(TO) as target, Qml(target).server(threads=1, queues=["none"]):
        until(lambda: servers.alive(target))
        is_refused(qml("copy", FROM, TO), 1, "to.db has 1 server")


def test_another_store_is_refused(qml, source):
    with connect(TO) as target:
        job = target.enqueue(Job("m"))
    is_refused(qml("copy", FROM, TO), 1, f"job {job.id} is only in TO", "an empty store")


@pytest.mark.parametrize("urls", [(FROM, "memory://"), ("memory://", TO)])
def test_memory_is_refused(qml, source, urls, folder):
    is_refused(qml("copy", *urls), 2, "memory:// store lives inside one process")
    assert not (folder / "to.db").exists()


@pytest.mark.parametrize("how", ["itself", "another path", "symlink_to", "hardlink_to"])
def test_the_same_file_is_refused(qml, source, folder, how):
    target = folder / ("from.db" if how == "itself" else "to.db")
    if how == "another path":
        target = folder.parent / "here" / "from.db"
    elif how != "itself":
        getattr(target, how)(folder / "from.db")
    is_refused(qml("copy", FROM, f"sqlite:///{target}"), 2, "FROM and TO are the same file")
    assert len(source.list()) == 1_203
    assert {path.name for path in folder.iterdir()} <= {
        "from.db", "from.db-wal", "from.db-shm", target.name
    }  # fmt: skip


def test_no_from(qml, folder):
    is_refused(qml("copy", FROM, TO), 3, "there is no SQLite file")
    assert list(folder.iterdir()) == []


def test_no_folder_for_to(qml, source):
    is_refused(qml("copy", FROM, "sqlite:///none/to.db"), 3, "none does not exist")


def test_unknown_schemes(qml, source):
    is_refused(qml("copy", FROM, "mysql://user:secret@host/db"), 2, "'mysql://' is no scheme")


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
def test_no_password_is_shown(qml, source, scheme):
    called = qml("copy", FROM, f"{scheme}://user:secret@127.0.0.1:1/0")
    is_refused(called, 3, "127.0.0.1:1")
    assert "secret" not in called.err


@pytest.mark.parametrize("argv", [(), (FROM,)])
def test_two_stores_are_needed(qml, argv):
    called = qml("copy", *argv)
    assert called.code == 2
    assert "usage: qml copy" in called.err


def test_an_outage_tells_how_far_it_was(qml, source, monkeypatch):
    def fail():
        raise StorageUnavailable("it went away")

    with monkeypatch.context() as patch:
        meanwhile(patch, fail)
        called = qml("copy", FROM, TO)
    how_far = "; 8 of 1,203 jobs are in TO, and the same command goes on from there"
    is_refused(called, 3, f"it went away{how_far}")
    assert qml("copy", FROM, TO).code == 0


# -- broken off --------------------------------------------------------------------------------


def begun(start, url, before=0):
    """A copy that has stored more jobs than before, or has ended."""
    process = start("copy", FROM, url)
    until(lambda: stored(url) > before or process.poll() is not None)
    return process


def is_a_beginning(url):
    there = rows_of(url)
    assert there == rows_of(FROM)[: len(there)]
    return len(there)


def test_killed_again_and_again_it_goes_on(start, many, to):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    counts = [stored(to)]
    for _ in range(5):
        process = begun(start, to, counts[-1])
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        if ended(process).code == -signal.SIGKILL:
            counts.append(is_a_beginning(to))
    assert any(0 < count < COUNT for count in counts)
    called = ended(start("copy", FROM, to, "--json"))
    assert called.code == 0, called.err
    said = json.loads(called.out)
    assert said["found"] >= counts[-1]  # more: a server carries out what a killed client asked for
    assert said["found"] + said["copied"] == COUNT
    assert is_copied(to)


def test_ctrl_c_at_any_moment_says_how_to_go_on(start, many, folder):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    interrupted = 0
    for _ in range(6):
        for file in folder.glob("to.db*"):
            file.unlink()
        process = begun(start, TO)
        time.sleep(chance.uniform(0, 0.1))
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        called = ended(process)
        assert time.monotonic() - sent < 5
        assert "Traceback" not in called.err
        if called.code == 0:  # it was quicker
            continue
        interrupted += 1
        assert (called.code, called.out) == (130, "")
        is_a_beginning(TO)
        if called.err != "qml: interrupted\n":  # else it had not begun, or was about to end
            assert " of 8,000 jobs are in TO, and the same command goes on from there" in called.err
    assert interrupted >= 2
    assert ended(start("copy", FROM, TO)).code == 0
    assert is_copied()


def interrupted(monkeypatch, qml, times):
    """The call, with Ctrl-C this often in the middle of storing the second page; and how often the
    driver got to the end of a page."""
    stored, done = SqliteDriver.insert, []

    def insert(driver, rows):
        answer = stored(driver, rows)
        if len(done) == 1:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        done.append(len(rows))
        return answer

    monkeypatch.setattr(SqliteDriver, "insert", insert)
    before = signal.getsignal(signal.SIGINT)
    called = qml("copy", FROM, TO)
    assert signal.getsignal(signal.SIGINT) is before
    return called, done


def test_ctrl_c_lets_a_page_end(qml, source, monkeypatch):
    called, done = interrupted(monkeypatch, qml, 1)
    assert (called.code, called.out, done) == (130, "", [8, 16])
    words = "24 of 1,203 jobs are in TO, and the same command goes on from there"
    assert called.err == f"qml: interrupted; {words}\n"
    assert stored() == 24


def test_a_second_ctrl_c_counts_at_once(qml, source, monkeypatch):
    called, done = interrupted(monkeypatch, qml, 2)
    assert (called.code, called.out, done) == (130, "", [8])
    assert "qml: interrupted; 8 of 1,203 jobs are in TO" in called.err


def test_in_another_thread_it_leaves_signals_alone(qml, source):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(qml, "copy", FROM, TO).result().code == 0


def test_what_was_copied_runs(qml, folder):
    with Qml(FROM) as old:
        add = old.task(name="add")(lambda a, b: a + b)
        queued = add.enqueue_many([(n, n) for n in range(50)])
    assert qml("copy", FROM, TO).code == 0
    with Qml(TO) as new:
        new.task(name="add")(lambda a, b: a + b)
        new.server(threads=2).run(burst=True)
        assert [new.result(job) for job in queued] == [2 * n for n in range(50)]
    with connect(FROM) as source:
        assert source.get_job_counts()["enqueued"] == 50


# -- progress ----------------------------------------------------------------------------------


class Terminal:
    encoding = "utf-8"

    def __init__(self):
        self.lines = []

    def isatty(self):
        return True

    def write(self, text):
        self.lines += [text] if text else []

    def flush(self):
        pass

    def fileno(self):
        raise OSError


def test_progress_on_a_terminal(monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    terminal = Terminal()
    how_far = HowFar(Progress(terminal))
    assert how_far.to_go_on() == ""
    for what, done, total in (
        ("checking", 500, 20_000),
        ("checking", 1_500, 20_000),
        ("copying", 2_000, 20_000),
        ("copying", 20_003, 20_000),
        ("comparing", 500, 20_003),
    ):
        how_far.tell(what, done, total)
        seconds[0] += 0.5
    assert [line.strip() for line in terminal.lines] == [
        "checking: 500 of 20,000 jobs",
        "checking: 1,500 of 20,000 jobs, 2,000 jobs/s",
        "copying: 2,000 of 20,000 jobs",
        "copying: 20,003 of 20,003 jobs, 36,006 jobs/s",
        "comparing: 500 of 20,003 jobs",
    ]
    words = "; 20,003 of 20,003 jobs are in TO, and the same command goes on from there"
    assert how_far.to_go_on() == words


def test_no_rest_of_the_progress_stays_on_a_terminal(qml, source, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert qml("copy", FROM, TO).code == 0
    *_, last, cleared = terminal.lines
    assert "jobs" in last
    assert cleared.isspace()
    assert cleared[0] == cleared[-1] == "\r"


def test_a_reader_that_goes_away_is_no_traceback(start, source):
    read, write = os.pipe()
    os.close(read)
    process = start("copy", FROM, TO, stdout=write)
    os.close(write)
    called = ended(process)
    assert called.code == 141
    assert called.err == ""
    assert is_copied()
