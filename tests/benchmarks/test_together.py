"""What is compared, how ratios are told, and that the command prints all its tables."""

import pytest

from benchmarks import peers
from benchmarks.stores import STORES
from benchmarks.together import __main__ as together
from benchmarks.together import kept_back, maps, runs, turns
from qml import Qml, connect
from tests.servers import postgres_url, redis_url

from .conftest import store_of


def test_calls_take_turns_and_the_first_turn_is_not_counted():
    given = {"a": [0.0, 9.0, 2.0, 1.0, 3.0, 8.0], "b": [0.0, 4.0, 4.0, 4.0, 4.0, 4.0]}
    taken = []

    def call(name):
        taken.append(name)
        return given[name].pop(0)

    calls = {name: lambda name=name: call(name) for name in given}
    assert turns.quartiles(calls, 5) == {"a": 2.0, "b": 4.0}
    assert taken == ["a", "b"] * 6


def test_a_ratio_is_to_the_first():
    stores = [STORES["memory"], STORES["sqlite"]]
    lines = turns.beside("T", stores, [{"a": 0.5, "b": 1.0}, {"a": 4.0}]).splitlines()
    assert [line.split() for line in lines[3:]] == [
        ["a", "0.50", "ms", "4.00", "ms"],
        ["b", "2.00", "x", "-"],
    ]


@pytest.mark.parametrize(
    ("fill", "waiting", "running"), [("one_key", 4, 1), ("many_keys", 5, 5), ("paused", 5, 0)]
)
def test_jobs_are_kept_back_and_hold_up_no_others(store, fill, waiting, running):
    with store.new() as url, connect(url) as storage:
        getattr(kept_back, fill)(storage, 5)
        counts = storage.get_job_counts()
        assert (counts["enqueued"], counts["processing"]) == (waiting, running)
        assert kept_back.in_vain(storage) > 0
        assert kept_back.plain(storage) > 0
        assert storage.get_job_counts()["succeeded"] == 10


def test_a_claim_that_finds_too_much_or_too_little_is_no_measurement():
    with STORES["memory"].new() as url, connect(url) as storage:
        kept_back.one_key(storage, 3)
        with pytest.raises(AssertionError, match="0 of 2 were claimed"):
            kept_back.done(storage, [kept_back.limited("user") for _ in range(2)])
        storage.enqueue(kept_back.limited("other"))
        with pytest.raises(AssertionError, match="1 were claimed that are to be kept back"):
            kept_back.in_vain(storage)


def test_a_map_gives_what_is_done_by_hand():
    with STORES["memory"].new() as url, Qml(url) as jobs:
        task = jobs.task(name="square")(runs.square)
        assert maps.mapped(task, 4) == maps.by_hand(jobs, task, 4) == [0, 1, 4, 9]


def test_huey_takes_part_where_it_can(monkeypatch):
    monkeypatch.setattr(peers, "there", lambda: frozenset(["huey"]))
    turns_taken = []

    def take(turn, store):
        turns_taken.append((turn.contestant, turn.loop, turn.effort.size, store.kind))
        return 2_000.0

    monkeypatch.setattr(maps, "take", take)
    found = [maps.measure(store_of(name), 3, 1) for name in ("sqlite", "postgres")]
    assert [each.get("huey's map") for each in found] == [0.5, None]
    assert turns_taken == [("huey", "map", 3, "sqlite")] * 2


def test_quick_prints_every_table(capsys, monkeypatch):
    monkeypatch.setattr(peers, "there", frozenset)
    urls = [f"--url={url()}" for url in (postgres_url, redis_url)]
    assert together.main(["--quick", *urls]) == 0
    printed = capsys.readouterr().out
    for text in (
        "Memory  SQLite, full  PostgreSQL",
        "beside 2 jobs of one key",
        "beside 60 jobs of one key",
        "beside 12 jobs of 6 keys",
        "beside 60 jobs of a paused queue",
        "Claim that finds nothing",
        "with a key of its own, limit 1",
        "after another",
        "a lock around nothing",
        "with a write by tx",
        "A result of 10, 8 threads",
    ):
        assert text in printed, printed
    [tx] = [line for line in printed.splitlines() if "by tx" in line]
    assert [cell for cell in tx.split() if cell in "-x"] == ["-", "x", "x", "-"]
