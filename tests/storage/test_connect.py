"""From a URL, a configuration or a class to a storage, and what is said when it cannot be."""

import contextlib
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from qml import (
    CapacityExceeded,
    ConfigurationError,
    Deleted,
    Enqueued,
    Failed,
    Job,
    MemoryConfig,
    MemoryStorage,
    PostgresConfig,
    PostgresStorage,
    Processing,
    Qml,
    RedisConfig,
    RedisStorage,
    Retention,
    RetryPolicy,
    SqliteConfig,
    SqliteStorage,
    Storage,
    StorageError,
    connect,
)
from qml.drivers.memory import MemoryDriver
from qml.storage.urls import parse_url
from qml.testing import ManualClock

SLASHES = "three slashes before a relative path and four before an absolute one"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder this process works in, for this test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    """The SQLite files of a folder, less their logs and shared memory."""
    return sorted(
        path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))
    )


# -- URLs --------------------------------------------------------------------------------------


def test_three_slashes_are_a_relative_path(folder):
    assert parse_url("sqlite:///relative.db") == SqliteConfig(folder / "relative.db")
    assert parse_url("SQLite:///relative.db") == SqliteConfig(folder / "relative.db")
    (folder / "sub").mkdir()
    with connect("sqlite:///sub/jobs.db") as storage:
        storage.enqueue(Job("m"))
    assert files(folder / "sub") == ["jobs.db"]


def test_four_slashes_are_an_absolute_path(tmp_path):
    with connect(f"sqlite:///{tmp_path}/abs.db") as storage:
        assert type(storage) is SqliteStorage
        storage.enqueue(Job("m"))
    assert str(tmp_path).startswith("/")
    assert files(tmp_path) == ["abs.db"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a%20b.db", "a b.db"),
        ("a b.db", "a b.db"),
        ("50%25.db", "50%.db"),
        ("what%3F.db", "what?.db"),
        ("no%231.db", "no#1.db"),
        ("%C3%A4%F0%9F%98%80.db", "ä😀.db"),
        ("ä.db", "ä.db"),
        ("a+b.db", "a+b.db"),
        ("a;b'c.db", "a;b'c.db"),
    ],
)
def test_percent_encoding(folder, text, name):
    with connect(f"sqlite:///{text}") as storage:
        job = storage.enqueue(Job("m"))
    assert files(folder) == [name]
    with connect(SqliteConfig(name)) as storage:
        assert storage.get(job.id) == job


def test_memory():
    with connect("memory://") as one, connect("memory://") as other:
        assert type(one) is MemoryStorage
        assert other.get(one.enqueue(Job("m")).id) is None
    assert parse_url("memory://") == MemoryConfig(max_jobs=10_000)


def test_settings_in_the_query(folder):
    url = "sqlite:///a.db?durability=normal&busy_timeout=2.5&create=false"
    assert parse_url(url) == SqliteConfig(
        folder / "a.db", durability="normal", busy_timeout=2.5, create=False
    )
    assert parse_url("sqlite:///a.db?create=true").create is True
    assert parse_url("memory://?max_jobs=7") == MemoryConfig(max_jobs=7)


def test_settings_in_the_url_of_a_server_are_told_from_its_library_s_own():
    url = "postgresql://u:p%40w@h:5/db?sslmode=require&schema_name=my%20jobs&host=%2Frun"
    config = PostgresConfig(
        "postgresql://u:p%40w@h:5/db?sslmode=require&host=%2Frun",
        schema_name="my jobs",
        max_connections=3,
    )
    assert parse_url(url, {"max_connections": 3}) == config
    assert parse_url(f"{url}&max_connections=3") == config
    assert parse_url("postgres://h/db?auto_migrate=false&pool_timeout=2") == PostgresConfig(
        "postgres://h/db", auto_migrate=False, pool_timeout=2.0
    )
    assert parse_url("rediss://h/1?key_prefix=a&ssl_ca_certs=x") == RedisConfig(
        "rediss://h/1?ssl_ca_certs=x", key_prefix="a"
    )
    assert parse_url("unix:///run/redis.sock") == RedisConfig("unix:///run/redis.sock")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://h/db?schema_name=pg_x", "schema_name is 'pg_x'; give a name of 1 to 63"),
        ("postgresql://h/db?max_connections=lots", "max_connections is 'lots'; give a number"),
        ("postgresql://h/db?schema_name=a&schema_name=b", "a setting is given twice"),
        ("redis://h?answer_timeout=0", "RedisConfig answer_timeout is 0.0; give a number above 0"),
        ("redis://h/jobs", "RedisConfig url ends in '/jobs'; give the number of a database"),
        ("rediss://h/1/2", "RedisConfig url ends in '/1/2'; give the number of a database"),
    ],
)
def test_a_wrong_setting_in_the_url_of_a_server(url, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        parse_url(url)


@pytest.mark.parametrize(
    ("kind", "library", "cure"),
    [
        ("postgres", "psycopg2", "pip install 'queue-me-later[postgres]'"),
        ("redis", "redis", "pip install 'queue-me-later[redis]'"),
        ("sqlite", "_sqlite3", "this Python was built without SQLite; take another Python, or "),
    ],
)
def test_a_library_that_is_not_installed(kind, library, cure):
    """The driver may have been imported before, so it happens in a process of its own."""
    script = (
        f"import sys; sys.modules[{library!r}] = None; import qml\n"
        f"try: qml.connect('{kind}://{'h' * (kind != 'sqlite')}/0')\n"
        "except qml.ConfigurationError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    said = f"this storage needs a library that is not installed ({library}): {cure}"
    assert done.stdout.startswith(said)


def test_a_class_takes_its_own_configuration_only(tmp_path):
    wanted = "give a PostgresConfig or what it is made from, not RedisConfig"
    with pytest.raises(ConfigurationError, match=re.escape(wanted)) as caught:
        PostgresStorage(RedisConfig("redis://:secret@h"))
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="give a SqliteConfig"):
        SqliteStorage(MemoryConfig())
    with pytest.raises(ConfigurationError, match="give a RedisConfig"):
        RedisStorage(f"sqlite:///{tmp_path}/a.db")
    assert files(tmp_path) == []


def test_options_stand_above_the_query(folder):
    with connect("memory://?max_jobs=1", max_jobs=2) as storage:
        storage.enqueue_many([Job("m"), Job("m")])
    url = "sqlite:///a.db?durability=normal"
    assert parse_url(url, {"durability": "full"}).durability == "full"
    assert parse_url(url, {"busy_timeout": 1}) == SqliteConfig(
        folder / "a.db", durability="normal", busy_timeout=1
    )


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host/db",
        "mysql+driver://user:secret@host:3306/db?password=secret",
        "mysql:user:secret@host",
        "user:secret@host/db",
        "://user:secret@host",
        "host=db user=jobs password=secret",
        'password = "secret"',
        "secret@host/db",
        "jobs.db?password=secret",
    ],
)
def test_an_unknown_scheme_lists_those_that_work_and_tells_no_password(url):
    with pytest.raises(ConfigurationError) as caught:
        connect(url)
    shown = "".join(traceback.format_exception(caught.value, limit=0))
    assert "secret" not in shown
    assert "secret" not in str(caught.value)
    files = ("sqlite:///relative.db", "sqlite:////absolute.db", "memory://")
    for known in (*files, "postgresql://", "redis://", "rediss://", "unix://"):
        assert f" {known}" in str(caught.value)


def test_sqlite_s_class_takes_a_url_as_the_others_do(folder):
    """It was the path of a file in a folder sqlite:, which is not there."""
    with SqliteStorage("sqlite:///jobs.db?durability=normal") as storage:
        storage.enqueue(Job("m"))
    assert files(folder) == ["jobs.db"]
    with pytest.raises(ConfigurationError, match="'colour' is no setting of SqliteConfig"):
        SqliteStorage("sqlite:///jobs.db", colour="red")


@pytest.mark.parametrize("clock", [5, "now", ManualClock, lambda: 0.0])
def test_what_tells_no_time_is_no_clock(clock):
    """Else the first operation fails, deep within."""
    with pytest.raises(
        ConfigurationError, match=r"clock is .*; give a clock, such as ManualClock\(\)"
    ):
        connect("memory://", clock=clock)


@pytest.mark.parametrize("url", ["", "jobs.db", "/var/lib/jobs.db", " memory ", "nosql://x"])
def test_what_is_no_url(url):
    with pytest.raises(ConfigurationError, match=r"is no scheme qml knows; give one of sqlite:///"):
        connect(url)


@pytest.mark.parametrize("url", ["sqlite://jobs.db", "sqlite:jobs.db", "sqlite://host/jobs.db"])
def test_too_few_slashes(url):
    with pytest.raises(ConfigurationError, match=SLASHES) as caught:
        connect(url)
    assert "sqlite:///jobs.db" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["sqlite:///", "sqlite:///.", "sqlite:///:memory:", "sqlite:///%00"]
)
def test_a_path_that_is_no_file(url):
    with pytest.raises(
        ConfigurationError, match=r"SqliteConfig path is .*; give the path of a file"
    ):
        connect(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://?max_jobs=many", "max_jobs is 'many'; give a number"),
        ("memory://?max_jobs=1.5", "max_jobs is '1.5'; give a number"),
        ("memory://?max_jobs=0", "MemoryConfig max_jobs is 0; give a whole number, 1 or more"),
        (
            "memory://?durability=full",
            "'durability' is no setting of MemoryConfig; it has max_jobs",
        ),
        ("sqlite:///a.db?busy_timeout=soon", "busy_timeout is 'soon'; give a number"),
        (
            "sqlite:///a.db?busy_timeout=0",
            "SqliteConfig busy_timeout is 0.0; give a number above 0",
        ),
        ("sqlite:///a.db?busy_timeout=nan", "busy_timeout is nan; give a number above 0"),
        ("sqlite:///a.db?create=yes", "create is 'yes'; give true or false"),
        ("sqlite:///a.db?durability=some", "durability is 'some'; give one of full, normal"),
        ("sqlite:///a.db?timeout=3", "'timeout' is no setting of SqliteConfig; it has path, dur"),
    ],
)
def test_a_wrong_setting_in_the_url(folder, url, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        connect(url)
    assert files(folder) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"durabilty": "full"}, "'durabilty' is no setting of SqliteConfig"),
        ({"durability": "none"}, "durability is 'none'; give one of full, normal"),
        ({"busy_timeout": -1}, "busy_timeout is -1; give a number above 0"),
    ],
)
def test_a_wrong_option_beside_a_url(folder, options, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        connect("sqlite:///a.db", **options)
    assert files(folder) == []


# -- configurations and classes ----------------------------------------------------------------


def test_configurations(tmp_path):
    with connect(MemoryConfig()) as storage:
        assert type(storage) is MemoryStorage
    with connect(SqliteConfig(tmp_path / "a.db", durability="normal")) as storage:
        assert type(storage) is SqliteStorage
        assert str(tmp_path / "a.db") in repr(storage)


def test_classes(tmp_path):
    path = tmp_path / "a.db"
    for given in (path, str(path), SqliteConfig(path)):
        with SqliteStorage(given) as storage:
            storage.enqueue(Job("m"))
    with SqliteStorage(path, durability="normal", create=False) as storage:
        assert storage.get_job_counts()["enqueued"] == 3
    with MemoryStorage() as storage:
        storage.enqueue(Job("m"))
    with MemoryStorage(max_jobs=1) as storage, pytest.raises(CapacityExceeded):
        storage.enqueue_many([Job("m"), Job("m")])


@pytest.mark.parametrize("config", [MemoryConfig(), SqliteConfig("/nowhere/at/all.db")])
def test_options_beside_a_configuration_belong_into_it(config):
    said = f"options create, max_jobs beside a {type(config).__name__}; set them in it"
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        connect(config, create=True, max_jobs=3)


@pytest.mark.parametrize("make", ["url", "config", "class"])
def test_the_storage_s_own_options_go_with_all_of_them(make, folder):
    own = {
        "clock": ManualClock(),
        "retry": RetryPolicy(max_retries=8),
        "retention": Retention(failed=1),
        "max_job_bytes": 5_000,
    }
    storage = {
        "url": lambda: connect("sqlite:///a.db", **own),
        "config": lambda: connect(SqliteConfig("a.db"), **own),
        "class": lambda: SqliteStorage("a.db", **own),
    }[make]()
    with storage:
        assert storage.now() == own["clock"].now()
        assert storage.enqueue(Job("m")).max_attempts == 9
        assert storage.retention.failed == 1
        with pytest.raises(StorageError, match="5,000"):
            storage.enqueue(Job("m", ["x" * 5_000]))


def test_a_retention_may_be_seconds_for_every_state():
    with connect("memory://", retention=60) as storage:
        assert storage.retention == Retention(succeeded=60, deleted=60, failed=60)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"retention": "week"}, "Storage retention is 'week'; give a Retention, seconds, or None"),
        ({"retention": 0}, "Retention succeeded is 0; give a number above 0, and below 1e12"),
        ({"max_job_bytes": None}, "max_job_bytes is None; give a whole number from 1 to"),
    ],
)
def test_a_wrong_option_of_the_storage_is_refused_when_it_is_opened(option, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        connect("memory://", **option)


@pytest.mark.parametrize("wrong", [None, 5, b"memory://", Path("a.db"), MemoryConfig, object()])
def test_what_names_no_storage(wrong):
    with pytest.raises(ConfigurationError) as caught:
        connect(wrong)
    said = str(caught.value)
    assert said.startswith(f"connect({type(wrong).__name__}): give a URL")
    assert "memory://" in said
    assert "MemoryConfig, SqliteConfig" in said


def test_the_memory_store_is_full_some_day():
    with connect(MemoryConfig(max_jobs=2)) as storage:
        first = storage.enqueue(Job("m"))
        with pytest.raises(CapacityExceeded, match=r"at most 2 jobs.*it has 1 and cannot take 2"):
            storage.enqueue_many([Job("m"), Job("m")])
        assert storage.get_job_counts()["enqueued"] == 1
        storage.enqueue(Job("m"))
        with pytest.raises(CapacityExceeded):
            storage.enqueue(Job("m"))
        assert storage.update(first.with_state(Processing(worker_id="w"))).version == 1
        assert storage.delete(first.id)
        assert type(storage.enqueue(Job("m")).state) is Enqueued


# -- what is shown -----------------------------------------------------------------------------


def test_repr_names_the_store(tmp_path):
    with connect(f"sqlite:///{tmp_path}/jobs.db") as storage:
        assert repr(storage) == f"<SqliteStorage on SQLite file {tmp_path}/jobs.db>"
    with connect("memory://", max_jobs=5) as storage:
        assert repr(storage) == "<MemoryStorage on memory of this process (at most 5 jobs)>"


def test_repr_shows_no_password():
    with connect("memory://user:secret@host") as storage:
        assert "secret" not in repr(storage)
        assert "secret" not in repr(storage.driver)
    assert "secret" not in repr(parse_url("memory://user:secret@host"))


@pytest.mark.parametrize(
    "url", ["sqlite://user:secret@host/jobs.db", "sqlite://:secret@/jobs.db", "sqlite:secret@x"]
)
def test_too_few_slashes_tell_no_password(url):
    with pytest.raises(ConfigurationError, match=SLASHES) as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_a_url_that_cannot_be_split():
    with pytest.raises(ConfigurationError):
        connect("mysql://user:secret@[::1/db")


@pytest.mark.parametrize(
    "url",
    [
        "memory://host/jobs",
        "sqlite:///a.db?durability=",
        "sqlite:///a.db?path=b.db",
        "sqlite:///no#1.db",
        "memory://?max_jobs=3&max_jobs=5",
    ],
)
def test_nothing_in_a_url_is_passed_over(url):
    with pytest.raises(ConfigurationError):
        parse_url(url)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MemoryStorage(MemoryConfig(), max_jobs=3),
        lambda: MemoryStorage(colour="red"),
        lambda: SqliteStorage("/nowhere/at/all.db", colour="red"),
        lambda: SqliteStorage(SqliteConfig("/nowhere/at/all.db"), durability="normal"),
    ],
    ids=["memory config", "memory", "sqlite", "sqlite config"],
)
def test_classes_take_no_unknown_option(make):
    with pytest.raises(ConfigurationError):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda storage: storage.fetch_and_lock_job("\ud800"),
        lambda storage: storage.fetch_and_lock_job("w", ["\ud800"]),
        lambda storage: storage.list(queue="\ud800"),
        lambda storage: storage.try_acquire_job_lock(storage.list()[0].id, "\ud800", 5),
    ],
    ids=["worker", "queues", "filter", "lock"],
)
def test_a_lone_surrogate_is_an_error_of_qml_or_none(tmp_path, call):
    with connect(f"sqlite:///{tmp_path}/jobs.db") as storage:
        storage.enqueue(Job("m"))
        with contextlib.suppress(ConfigurationError, StorageError):
            call(storage)


def test_the_advice_of_a_full_store_can_be_followed():
    with connect("memory://", max_jobs=1) as storage, pytest.raises(CapacityExceeded) as caught:
        storage.enqueue_many([Job("m"), Job("m")])
    if "None = any number" in str(caught.value):
        MemoryConfig(max_jobs=None)


@pytest.mark.parametrize(
    ("retry", "state"),
    [
        (RetryPolicy(max_retries=1_000_000), Enqueued()),
        (RetryPolicy(), Failed(exception="lone \ud800")),
        (RetryPolicy(), Deleted(reason="lone \ud800")),
    ],
)
def test_what_sqlite_cannot_keep_is_an_error_of_qml(tmp_path, retry, state):
    kept = contextlib.suppress(ConfigurationError, StorageError)
    with connect(f"sqlite:///{tmp_path}/jobs.db", retry=retry) as storage, kept:
        storage.enqueue(Job("m", state=state))


@pytest.mark.parametrize("make", [connect, Qml])
@pytest.mark.parametrize(
    "wrong", [{"clock": ManualClock}, {"clock": 5}, {"retention": "x"}, {"max_job_bytes": 0}]
)
def test_options_are_checked_before_a_store_is_opened(tmp_path, make, wrong):
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} is .*; give a "):
        make(f"sqlite:///{tmp_path}/jobs.db", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_class_is_no_clock():
    with pytest.raises(ConfigurationError, match=r"clock is <class.*; give a clock"):
        Storage(MemoryDriver(None), clock=ManualClock)
