"""The pytest plug-in in a project of its own: a user's app, redirected for a test."""

import configparser
import os
import subprocess
import sys
from contextlib import contextmanager
from inspect import unwrap as fixture

import pytest

from qml import ManualClock, Qml, RetryPolicy, StorageUnavailable, connect
from qml.testing import plugin
from qml.testing.inline import drain
from tests.house.rules import REPO
from tests.storage.stores import KINDS

APP = """
from qml import Qml

jobs = Qml("sqlite:///real.db", max_job_bytes=99)
mails = []

@jobs.task
def send(to):
    mails.append(to)

@jobs.task
def welcome(to):
    send.using(run_after=3600).enqueue(to)

nothing = None
"""

INI = "[pytest]\nqml_app = shop:jobs\n"


def run(folder, tests, *arguments, ini=INI, plugin="-pqml.testing.plugin", before=""):
    """Run ``tests`` in a project that has the app, with no plug-in but these."""
    (folder / "shop.py").write_text(APP)
    (folder / "pytest.ini").write_text(ini)
    (folder / "test_shop.py").write_text(tests)
    code = f"import sys, pytest\n{before}\nsys.exit(pytest.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, plugin, "-pno:cacheprovider", "-Werror", *arguments],
        cwd=folder,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{REPO}{os.pathsep}{folder}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert not (folder / "real.db").exists(), "the user's own database was opened"
    return done.returncode, done.stdout + done.stderr


USE = """
import pytest, shop
from qml import SerializationError
from qml.testing import assert_enqueued, drain

@pytest.mark.parametrize("number", range(4))
def test_redirected(qml_jobs, qml_clock, qml_storage, number):
    assert qml_jobs is shop.jobs
    assert shop.jobs.storage is qml_storage
    assert qml_storage.list() == []
    begun = qml_clock.now()
    shop.welcome.enqueue("ada")
    drain(qml_jobs)
    assert_enqueued(qml_jobs, shop.send, args=["ada"], run_after=3600)
    assert shop.mails == []
    qml_clock.advance(3600)
    drain(qml_jobs)
    assert shop.mails == ["ada"]
    shop.mails.clear()
    with pytest.raises(SerializationError, match="the 99 allowed"):
        shop.send.enqueue("x" * 100)
    print("on", qml_storage.driver.describe())
"""


def test_the_app_works_on_a_fresh_storage(tmp_path):
    code, told = run(tmp_path, USE, "-rP")
    assert code == 0, told
    assert "4 passed" in told
    assert told.count("on memory of this process") == 4


def test_several_processes_do_not_meet(tmp_path):
    ini = INI + "qml_url = sqlite:///jobs.db?durability=normal\n"
    code, told = run(tmp_path, USE, "-pxdist", "-n2", "-rP", ini=ini)
    assert code == 0, told
    assert "4 passed" in told
    assert told.count("qml_test_") == 4


LEFT = """
import pytest, shop
from qml import Qml, StorageUnavailable

kept = []

def test_fails(qml_jobs, qml_storage):
    kept.append(qml_storage)
    shop.send.enqueue("ada")
    assert qml_storage.list() == []

def test_is_put_back():
    with pytest.raises(StorageUnavailable, match="closed"):
        kept[0].list()
    assert shop.jobs._lent == ()
    assert shop.jobs._opening._storage is None

def test_gets_another(qml_storage):
    assert qml_storage is not kept[0]
    assert qml_storage.list() == []

def test_takes_what_it_asks_for_only(request):
    assert request.fixturenames == ["request"]

class TestOverridden:
    @pytest.fixture
    def qml_clock(self):
        return None  # the storage's own

    @pytest.fixture
    def qml_app(self):
        return None

    def test_without_an_app(self, qml_jobs, qml_storage):
        assert qml_jobs is not shop.jobs
        assert (type(qml_jobs), qml_jobs.storage, qml_jobs.tasks) == (Qml, qml_storage, {})
        assert type(qml_storage.clock).__name__ == "StoreClock"

    def test_without_an_app_again(self, qml_jobs):
        self.test_without_an_app(qml_jobs, qml_jobs.storage)
"""


def test_all_is_as_before_when_a_test_has_failed(tmp_path):
    code, told = run(tmp_path, LEFT)
    assert code == 1, told
    assert "FAILED test_shop.py::test_fails" in told
    assert "1 failed, 5 passed" in told


FOREIGN = """
import sys

def test_foreign():
    loaded = {name for name, module in sys.modules.items() if module is not None}
    heavy = {"hypothesis", "sqlite3", "pysqlite3", "psycopg2", "redis", "asyncio", "unittest.mock",
             "attrs", "qml.cli", "qml.work", "qml.storage", "qml.values"}
    assert "qml.testing.plugin" in loaded
    assert not heavy & loaded
"""


def test_a_project_that_does_not_use_it_pays_little(tmp_path):
    code, told = run(tmp_path, FOREIGN, ini="[pytest]\n")
    assert code == 0, told


NO_HYPOTHESIS = """
import pytest, shop
import qml.testing
from qml.testing import ManualClock, assert_enqueued, assert_not_enqueued, drain

def test_all_works(qml_jobs, qml_clock):
    assert isinstance(qml_clock, ManualClock)
    shop.send.enqueue("ada")
    assert_enqueued(qml_jobs, shop.send)
    drain(qml_jobs)
    assert_not_enqueued(qml_jobs, shop.send)
    with pytest.raises(ImportError, match="needs Hypothesis"):
        qml.testing.StorageMachine
"""


def test_it_works_without_hypothesis(tmp_path):
    code, told = run(tmp_path, NO_HYPOTHESIS, before="sys.modules['hypothesis'] = None")
    assert code == 0, told


# -- without a project of its own --------------------------------------------------------------


class Ini:
    """What a fixture asks of pytest's configuration."""

    def __init__(self, **settings):
        self.getini = settings.__getitem__


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    return KINDS[request.param](tmp_path)


def test_a_storage_of_each_kind_is_the_test_s_own(place, tmp_path):
    clock, app = ManualClock(), Qml("memory://", retry=RetryPolicy(max_retries=1))
    with (
        connect(place) as mine,
        contextmanager(fixture(plugin.qml_storage))(place, app, clock, tmp_path) as storage,
    ):
        assert (storage.clock, storage.retry_policy) == (clock, app.retry)
        with contextmanager(fixture(plugin.qml_jobs))(app, storage) as jobs:
            assert jobs is app
            app.task(name="length")(len).enqueue("seven")
            assert len(drain(jobs)) == 1
        assert mine.list() == []
    with pytest.raises(StorageUnavailable, match="closed"):
        storage.list()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("string", "qml_app = string is a module; name a Qml, such as myapp:jobs"),
        ("string:digits", "qml_app = string:digits is a str; name a Qml"),
        ("string:nothing", "no attribute 'nothing'.*; name a Qml, such as myapp:jobs"),
        ("string:make()", "'string:make\\(\\)'.*; name a Qml, such as myapp:jobs"),
        ("nowhere:jobs", "qml_app = nowhere:jobs cannot be found .*'nowhere'.*; .*pythonpath = ."),
        ("email.nowhere:jobs", "cannot be found .*'email.nowhere'.*; see that the name is right"),
    ],
)
def test_a_wrong_name_says_so(name, told):
    with pytest.raises(pytest.UsageError, match=told):
        fixture(plugin.qml_app)(Ini(qml_app=name))


def test_an_app_that_misses_a_module_shows_where(tmp_path, monkeypatch):
    (tmp_path / "misses.py").write_text("import nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        fixture(plugin.qml_app)(Ini(qml_app="misses:jobs"))


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@127.0.0.1:1/test", "redis://:secret@127.0.0.1:1/0"]
)
def test_a_server_that_is_away_shows_no_password(url, tmp_path):
    ini = f"{INI}qml_url = {url}\n"
    code, told = run(tmp_path, "def test_it(qml_storage): pass", ini=ini)
    assert code == 1
    assert "StorageUnavailable" in told
    assert "secret" not in told


def test_pytest_finds_it_by_its_entry_point():
    setup = configparser.ConfigParser()
    setup.read(REPO / "setup.cfg", encoding="utf-8")
    assert "qml = qml.testing.plugin" in setup["options.entry_points"]["pytest11"]
