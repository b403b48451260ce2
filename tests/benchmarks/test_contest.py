"""Turns, medians, and what is printed of them."""

import pytest

from benchmarks import contest, peers, rates
from benchmarks.contest import Turn, medians, take
from benchmarks.loops import Effort
from benchmarks.stores import STORES
from benchmarks.table import share, table

EFFORT = Effort(0.01, 20)


def test_medians_are_taken_over_rounds(monkeypatch):
    given = {"a": [9.0, 1.0, 2.0], "b": [90.0, 10.0, 20.0]}
    taken = []

    def take(turn, store):
        taken.append((turn.loop, store.kind))
        return given[turn.loop].pop(0)

    monkeypatch.setattr(contest, "take", take)
    turns = {name: Turn("qml", name, EFFORT) for name in given}
    assert medians(turns, STORES["memory"], 3) == {"a": 2.0, "b": 20.0}
    assert taken == [("a", "memory"), ("b", "memory")] * 3


def test_a_turn_is_taken_in_a_process():
    assert take(Turn("bare", "drain", EFFORT), STORES["sqlite"]) > 0


def test_a_turn_that_fails_ends_all_and_shows_no_url(capfd):
    with pytest.raises(SystemExit) as raised:
        take(Turn("bare", "drain", EFFORT), STORES["memory"])
    assert str(raised.value) == "bare failed at drain on Memory: see above"
    assert "KeyError" in capfd.readouterr().err


def test_who_takes_part(monkeypatch):
    monkeypatch.setattr(peers, "there", lambda: frozenset(peers.PEERS))
    asked = []

    def medians(turns, store, rounds):
        asked.append([*turns])
        return dict.fromkeys(turns, 1.0)

    monkeypatch.setattr(rates, "medians", medians)
    for name in ("memory", "sqlite", "postgres", "redis"):
        rates.measure(STORES[name], EFFORT, 1)
    memory, sqlite, postgres, redis = asked[::4]
    assert memory == ["qml", "huey"]
    assert sqlite == ["qml", "bare", "huey"]
    assert postgres == ["qml", "bare", "procrastinate"]
    assert redis == ["qml", "bare", "huey", "dramatiq"]
    assert asked[2::4] == [["qml"], ["qml", "bare"], postgres, ["qml", "bare"]]


def test_tables_stand_beside_each_other():
    store = STORES["memory"]
    found = {row: {"qml": 50.0, "bare": 100.0} for row in rates.ROWS}
    found["drain"]["huey"] = 5.0
    lines = rates.beside(store, found).splitlines()
    assert lines[0].startswith("Memory: jobs live in this process only")
    assert " ".join(lines[2].split()) == "jobs/s qml bare qml of bare huey qml of huey"
    assert lines[3].split()[-5:] == ["50", "100", "50%", "-", "-"]
    assert lines[-1].split()[-6:] == ["50", "100", "50%", "5", "10.00", "x"]
    assert rates.overview([store], [found]).splitlines()[-1].split() == [
        *rates.ROWS["drain"].split(),
        "50",
    ]


def test_a_table_stands_in_columns():
    assert (
        table("T", ["", "n"], [["one", "1"], ["a", "100"]])
        == "T\n-\n       n\none    1\na    100\n"
    )
    assert (share(1.0, 2.0), share(3.0, 2.0)) == ("50%", "1.50 x")


def test_peers_are_left_out_where_there_is_no_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    peers.there.cache_clear()
    try:
        assert [*peers.of("redis", "drain")] == []
    finally:
        peers.there.cache_clear()


def test_each_peer_has_a_contestant_and_a_pin():
    pins = peers.PINS.read_text().split()
    for name in peers.PEERS:
        assert (contest.REPO / "benchmarks" / "contestants" / f"{name}.py").exists()
        assert name in pins
