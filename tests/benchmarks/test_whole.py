"""The commands run with tiny sizes and print their tables; how fast, nobody asks here."""

import pytest

from benchmarks import __main__ as whole
from benchmarks import contest, latency, peers
from benchmarks.scale import __main__ as scale
from tests.servers import postgres_url, redis_url

from .conftest import store_of

URLS = {"postgres": postgres_url, "redis": redis_url}


def test_quick_prints_every_table(monkeypatch, capsys, tmp_path):
    taken = []

    def take(turn, store):
        taken.append((store.name, turn.contestant, turn.loop))
        return 2.0 if turn.contestant == "qml" else 8.0

    monkeypatch.setattr(contest, "take", take)
    monkeypatch.setattr(peers, "there", frozenset)
    urls = [f"--url={url()}" for url in URLS.values()]
    stores = ["--stores", "memory", "postgres", "redis", "--chart", str(tmp_path / "drain.svg")]
    assert whole.main(["--quick", *stores, *urls]) == 0
    assert "PostgreSQL" in (tmp_path / "drain.svg").read_text()
    printed = capsys.readouterr().out
    assert len(taken) == len(set(taken)) == 4 * 3 + 4 * 2
    for text in (
        "PostgreSQL: PostgreSQL ",
        "fsync is o",
        "qml is",
        "25%",
        "PostgreSQL, across processes: the call of enqueue",
        "Redis, bare, in one process: the call of enqueue",
        "of a core",
        "Left out: apscheduler, celery, dramatiq, huey, oban",
    ):
        assert text in printed, printed


def test_latency_is_measured_within_and_across_and_bare(shared):
    with latency.within(shared) as take:
        assert all(trip.call > 0 for trip in take(2))
    with latency.across(shared) as take:
        trips = take(2)
    with latency.bare(shared) as take:
        trips += take(2)
    assert len(trips) == 4
    assert all(trip.start > 0 for trip in trips)


def test_latency_is_measured_after_idleness(monkeypatch, capsys):
    slept = []
    monkeypatch.setattr(latency.time, "sleep", slept.append)
    latency.show([store_of("memory")], 3, idle_before=3_600)
    assert [seconds for seconds in slept if seconds > 1] == [3_600]
    assert "3 jobs, after 3600 s without any" in capsys.readouterr().out


@pytest.mark.parametrize("command", [whole.main, scale.main], ids=["whole", "scale"])
def test_a_url_is_a_servers(command, capsys):
    with pytest.raises(SystemExit):
        command(["--url=sqlite:///jobs.db"])
    assert "--url is for a server: postgresql or redis://" in capsys.readouterr().err
