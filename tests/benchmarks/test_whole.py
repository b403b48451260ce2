"""The commands run with tiny sizes and print their tables; how fast, nobody asks here."""

import pytest

from benchmarks import __main__ as whole
from benchmarks import contest, latency, peers
from benchmarks.scale import __main__ as scale
from benchmarks.scale import beside, crowd
from tests.servers import postgres_url, redis_url

TINY = ["--few=20", "--many=200", "--times=2", "--clients=2", "--due=20", "--crowds=1"]
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
        "of a core",
        "Left out: apscheduler, celery, dramatiq, huey, oban",
    ):
        assert text in printed, printed


def test_latency_is_measured_within_and_across(shared):
    assert all(trip.call > 0 for trip in latency.within(shared, 2))
    trips = latency.across(shared, 2)
    assert len(trips) == 2
    assert all(trip.start > 0 for trip in trips)


@pytest.mark.parametrize("command", [whole.main, scale.main], ids=["whole", "scale"])
def test_a_url_is_a_servers(command, capsys):
    with pytest.raises(SystemExit):
        command(["--url=sqlite:///jobs.db"])
    assert "--url is for a server: postgresql or redis://" in capsys.readouterr().err


@pytest.mark.parametrize("name", scale.NAMES)
def test_scale_prints_tables(name, capsys, monkeypatch):
    monkeypatch.setattr(beside, "LIMIT", 1e9)  # so few calls tell nothing of speed
    url = [f"--url={URLS[name]()}"] if name in URLS else []
    assert scale.main(["--store", name, *url, *TINY, "--snapshot=100"]) == 0
    printed = capsys.readouterr().out
    assert "of three queues      20              0" in printed
    assert "Claims of 10 are within" in printed
    assert "page of 50 at 0, succeeded or failed" in printed
    assert ("beside a transaction" in printed) == (name == "postgres")


def test_scale_notices_slow_claims(monkeypatch, capsys):
    monkeypatch.setattr(beside, "LIMIT", 0.0)
    monkeypatch.setattr(crowd, "show", lambda *given: True)
    assert scale.main(TINY) == 1
    assert "Claims of 10 are NOT within 0 x" in capsys.readouterr().out


def test_scale_notices_claims_that_find_nothing(monkeypatch, capsys):
    store_fewer = crowd.make_due
    monkeypatch.setattr(crowd, "make_due", lambda storage, jobs: store_fewer(storage, jobs - 3))
    monkeypatch.setattr(beside, "show", lambda *given: True)
    assert scale.main(TINY) == 1
    assert "of every queue       20              3" in capsys.readouterr().out


def test_a_filled_store_has_nothing_to_claim(store):
    with store.new() as url, beside.connect(url) as storage:
        beside.fill(storage, 30)
        counts = storage.get_job_counts()
        assert (counts["succeeded"], counts["scheduled"]) == (15, 15)
        assert storage.fetch_available_jobs_atomic("w", 10) == []
        assert [job.kwargs for job in storage.list()] == [{}] * 30
