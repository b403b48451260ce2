"""Each part runs with tiny sizes and prints its table; how fast, nobody asks here."""

import pytest

from benchmarks.scale import __main__ as scale
from benchmarks.scale import claims, crowd, fill, kills, memory, servers
from benchmarks.stores import STORES
from qml import connect
from qml.seam.findings import Severity
from qml.storage.health import examine
from tests.servers import postgres_url, redis_url

from .conftest import store_of

URLS = {"postgres": postgres_url, "redis": redis_url}


def run(*arguments, store="sqlite"):
    url = [f"--url={URLS[store]()}"] if store in URLS else []
    return scale.main(["--quick", *arguments, "--stores", store, *url])


@pytest.fixture
def patient(monkeypatch):
    """So few calls tell nothing of speed."""
    monkeypatch.setattr(claims, "LIMIT", 1e9)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("store", scale.NAMES)
@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("claims", "ten jobs, beside others that are due next year"),
        ("crowd", "of three queues      20              0"),
        ("queues", "sixteen queues, one of them named"),
        ("payloads", "1,048,476 letters"),
        ("pages", "page of 50 at 0, succeeded or failed"),
    ],
)
def test_a_part_prints_its_table(part, text, store, capsys):
    assert run(part, store=store) == 0
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("schedules", "beside 3 schedules"),
        ("memory", "Memory is flat"),
        ("servers", "Each job was started once"),
        ("idle", "after 0.1 s without any"),
    ],
)
def test_a_part_of_processes_prints_its_table(part, text, capsys):
    assert run(part) == 0
    assert text in capsys.readouterr().out


def test_a_snapshot_is_held_open_for_as_long_as_is_said(capsys):
    assert run("snapshot", "--minutes=0.02", store="postgres") == 0
    printed = capsys.readouterr().out
    assert "before" in printed
    assert "\n0.02 " in printed
    assert "The backlog is bounded" in printed


def test_a_killed_servers_job_starts_again(shared):
    for way in kills.WAYS:
        [seconds] = kills.measure(shared, way, kills.SIZES["quick"])
        assert 0 < seconds < 20


@pytest.mark.parametrize(
    ("module", "name", "value", "part", "text"),
    [
        (claims, "LIMIT", 0.0, "claims", "Claims are NOT within 0 x"),
        (memory, "measure", lambda store, jobs: [1.0, *range(10)], "memory", "Memory is NOT flat"),
        (
            servers,
            "drain",
            lambda store, processes, jobs: servers.Drained(1.0, jobs + 1),
            "servers",
            "Each job was NOT started once",
        ),
    ],
)
def test_a_limit_that_is_not_kept_is_noticed(module, name, value, part, text, monkeypatch, capsys):
    monkeypatch.setattr(module, name, value)
    monkeypatch.setitem(memory.SIZES, "quick", memory.Size(200_000, 200_000))
    assert run(part) == 1
    assert text in capsys.readouterr().out


def test_claims_that_find_nothing_are_noticed(monkeypatch, capsys):
    store_fewer = crowd.make_due
    monkeypatch.setattr(crowd, "make_due", lambda storage, jobs: store_fewer(storage, jobs - 3))
    assert run("crowd") == 1
    assert "of every queue       20              3" in capsys.readouterr().out


def test_a_job_that_waits_too_long_is_noticed(monkeypatch, capsys):
    monkeypatch.setattr(kills, "measure", lambda store, way, size: [size.lease + 2.1])
    assert run("recovery") == 1
    assert "elsewhere" in capsys.readouterr().out


def test_a_part_that_there_is_not(capsys):
    with pytest.raises(SystemExit):
        scale.main(["claim"])
    assert "there is no part 'claim'; there are claims, crowd," in capsys.readouterr().err


@pytest.mark.parametrize("kind", fill.KINDS)
def test_a_filled_store_is_as_qml_would_have_written_it(shared, kind):
    with shared.new() as url, connect(url) as storage:
        filler = fill.Filler(url, storage, kind)
        filler.fill(20)
        filler.fill(30)
        jobs = storage.list()
        assert len({job.id for job in jobs}) == len(jobs) == 30
        state = {"finished": "succeeded", "due next year": "scheduled", "waiting": "enqueued"}[kind]
        counts = {kind.value: number for kind, number in storage.get_job_counts().items() if number}
        assert counts == {state: 30}
        assert {tuple(job.arguments) for job in jobs} == {(fill.PAYLOAD,)}
        times = [row.finished_at or row.due_at for row in storage.driver.load([j.id for j in jobs])]
        assert len(set(times)) == (1 if kind == "waiting" else 30)
        claimed = storage.fetch_available_jobs_atomic("w", 100)
        assert [job.id for job in claimed] == (
            [job.id for job in reversed(jobs)] if kind == "waiting" else []
        )
        [damage] = [each for each in examine(storage, deep=True) if each.topic == "damage"]
        assert damage.severity is Severity.OK


def test_what_fits_in_memory_is_told_by_what_is_there(capsys):
    store = store_of("redis")
    with store.new() as url, connect(url) as storage:
        filler = fill.Filler(url, storage, "finished")
        filler.fill(1_000)
        assert 1_000 < filler.fits(10**7) < 10_000
    assert [*claims._that_fit((500, 1_000), 800)] == [500, 800]
    assert "1,000 would take more than 8 GB of memory: 800 do not" in capsys.readouterr().out
    assert [*claims._that_fit((500, 1_000), 1_000)] == [500, 1_000]
    with STORES["sqlite"].new() as url, connect(url) as storage:
        assert fill.Filler(url, storage, "finished").fits(1) > 10**9
