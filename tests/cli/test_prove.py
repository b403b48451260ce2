"""``qml prove``: tries the promises beside what is stored, tells what it tried, leaves nothing."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import Phase, settings

from qml import Job, connect
from qml.drivers.memory import MemoryDriver
from qml.testing import History, proving
from qml.testing.proving import PARTS, Part, kills, parts, proof, roles
from qml.values.config import MemoryConfig, SqliteConfig
from tests.cli.calls import content_of
from tests.house.rules import REPO
from tests.servers import postgres_url, redis_url
from tests.servers.clients import redis_client
from tests.work.support import eventually


@pytest.fixture
def only(monkeypatch):
    """Run these parts alone."""

    def only(*names):
        some = tuple(part for part in PARTS if part.name in names)
        assert len(some) == len(names)
        monkeypatch.setattr(proof, "PARTS", some)

    return only


def test_all_parts_on_a_file_beside_the_users_own(tmp_path):
    """As users do: by the command, in the folder of the file, where nothing else is left."""
    file = tmp_path / "jobs.db"
    with connect(f"sqlite:///{file}") as storage:
        storage.enqueue(Job("t"))
    before = content_of(file)
    command = [sys.executable, "-m", "qml", "prove", "sqlite:///jobs.db", "--seconds", "1"]
    environment = {"PYTHONPATH": str(REPO), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*command, "--json"],
        **{"cwd": tmp_path, "env": environment, "capture_output": True, "text": True},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["holds"] is True
    assert [part["name"] for part in told["parts"]] == [part.name for part in PARTS]
    assert all(part["fault"] is None for part in told["parts"])
    for part, least in (
        ("contract", {"checks": 75, "driver calls": 500}),
        ("rules", {"sequences": 5, "driver calls": 100}),
        ("servers", {"lives": 1, "driver calls": 20}),
        ("schedules", {"pairs": 10, "triples": 10, "schedules": 30}),
        ("kills", {"processes": 6, "kills": 1, "calls": 10, "jobs": 2, "claims": 1}),
    ):
        [tried] = [one["tried"] for one in told["parts"] if one["name"] == part]
        assert {name: tried[name] >= number for name, number in least.items()} == dict.fromkeys(
            least, True
        )
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"jobs.db"}
    assert content_of(file) == before


def test_on_postgres_it_leaves_no_schema(qml, only):
    from tests.drivers.postgres_store import ask

    only("contract", "kills")
    schemas = "SELECT nspname FROM pg_namespace ORDER BY 1"
    before = ask(schemas)
    called = qml("prove", postgres_url(), "--seconds", 1)
    assert called.code == 0, called.out
    assert ask(schemas) == before
    assert "PASSED: no promise was broken" in called.out


def test_on_redis_it_leaves_no_key(qml, only):
    only("contract", "kills")
    client = redis_client(redis_url())
    before = sorted(client.keys("*"))
    called = qml("prove", redis_url(), "--seconds", 1)
    assert called.code == 0, called.out
    assert sorted(client.keys("*")) == before
    client.close()


def test_what_is_broken_is_told_with_its_story(qml, only, monkeypatch):
    only("contract", "rules")

    def claim(self, order):
        return plain(self, order._replace(queues=None))

    plain = MemoryDriver.claim
    monkeypatch.setattr(MemoryDriver, "claim", claim)
    unshortened = settings(parts._some(), max_examples=500, phases=[Phase.generate])
    monkeypatch.setattr(parts, "_some", lambda: unshortened)
    called = qml("prove", "memory://", "--seconds", 10)  # it ends once it has found something
    assert called.code == 1
    lines = called.out.splitlines()
    found = [line.split()[:2] for line in lines if line.startswith("BROKEN ")]
    assert found == [["BROKEN", "contract"], ["BROKEN", "rules"]]
    assert "promised" in called.out
    assert "state.fetch" in called.out  # the steps that lead to it
    assert "FAILED: a promise was broken (contract, rules)" in called.out
    only("contract")
    told = json.loads(qml("prove", "memory://", "--seconds", 1, "--json").out)
    assert told["holds"] is False
    assert "promised" in told["parts"][0]["fault"]


def test_a_memory_store_has_no_processes_to_kill():
    names = [part.name for part in PARTS if part.fits(MemoryConfig())]
    assert names == ["contract", "rules", "servers", "schedules"]


def test_a_long_name_of_the_folder_for_temporary_files_is_no_fault_of_the_store(tmp_path):
    """Multiprocessing's server of processes has a socket there, of 107 bytes at most."""
    long = tmp_path / ("long " * 24)
    long.mkdir()
    script = "from qml.testing.proving.kills import context; print(context().get_start_method())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        **{"cwd": REPO, "env": {**os.environ, "TMPDIR": str(long)}, "text": True},
        capture_output=True,
        check=False,
    )
    assert done.stdout == "spawn\n", done.stderr
    assert [*long.iterdir()] == []


def test_who_dies_by_himself_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(kills, "START", 60.0)
    missing = SqliteConfig(tmp_path / "missing.db", create=False)
    History(tmp_path / "history")
    with kills.Crew(missing, tmp_path / "history", Counter()) as crew:
        eventually(lambda: crew.bury() or crew.deaths)
    assert "ended by itself, exit code 1" in crew.deaths[0]
    assert "missing.db does not exist" in crew.deaths[0]


def test_a_run_in_which_nobody_worked_shows_nothing(qml, only, tmp_path, monkeypatch):
    only("kills")
    for name in ("SERVERS", "CLIENTS"):
        monkeypatch.setattr(kills, name, 0)
    called = qml("prove", f"sqlite:///{tmp_path}/jobs.db", "--seconds", 1)
    assert called.code == 1
    assert "no process came so far as to claim a job" in called.out


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://postgres@127.0.0.1:1/x", 3),
        ("sqlite:////no/such/folder/jobs.db", 3),
        ("ftp://x", 2),
        (None, 2),
    ],
)
def test_a_store_that_cannot_be_used(qml, url, code):
    called = qml("prove", *([url] if url else []), "--seconds", 1)
    assert called.code == code
    assert called.err.startswith("qml: ")
    assert "Traceback" not in called.err


def test_it_says_what_it_needs(qml, monkeypatch):
    import builtins

    plain = builtins.__import__

    def without(name, *rest):
        if "proving" in name:
            raise ModuleNotFoundError("no", name="hypothesis")
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    called = qml("prove", "memory://")
    assert called.code == 2
    assert "pip install 'queue-me-later[testing]'" in called.err


def test_progress_tells_part_and_numbers(only):
    only("contract", "servers")
    told = []
    config = MemoryConfig()
    found = proving.prove(config, 0.1, lambda part, text: told.append((part.name, text)))
    assert found.holds
    assert {name for name, _ in told} == {"contract", "servers"}
    assert ("contract", "75 checks") in [(name, text.split(",")[0]) for name, text in told]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("goes_on", [True, False])
def test_an_interrupt_that_python_throws_away_ends_it_all_the_same(
    qml, monkeypatch, number, goes_on
):
    """As it does where the handler breaks into a finalizer."""

    def run(stage):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        if goes_on:
            stage.go_on()
            raise AssertionError("it went on")

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(proof, "PARTS", (Part("interrupted", "nothing", 0.0, run),))
    called = qml("prove", "memory://", "--seconds", 1)
    assert (called.code, called.out) == (130, "")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_who_comes_up_after_all_is_removed_says_nothing(tmp_path, capfd):
    context = kills.context(roles.__name__)
    line, end = context.Pipe(duplex=False)
    late = context.Process(
        target=roles.ask, args=(SqliteConfig(tmp_path / "x.db"), tmp_path / "gone", line)
    )
    late.start()
    late.join()
    end.close()
    assert (late.exitcode, capfd.readouterr().err) == (1, "")
