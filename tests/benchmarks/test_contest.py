"""Turns, medians, and what is printed of them."""

from xml.etree import ElementTree

import pytest

from benchmarks import aims, chart, contest, peers, rates
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
    assert sqlite == ["qml", "bare", "huey", "persistqueue", "apscheduler"]
    assert postgres == ["qml", "bare", "procrastinate", "pgqueuer", "oban"]
    assert redis == ["qml", "bare", "huey", "rq", "dramatiq", "celery", "spinach"]
    many = ["qml", "bare", "rq", "spinach"]
    assert asked[2::4] == [["qml"], ["qml", "bare"], postgres, many]


def test_tables_stand_beside_each_other():
    store = STORES["memory"]
    found = {row: {"qml": 50.0, "bare": 100.0} for row in rates.ROWS}
    found["drain"]["huey"] = 5.0
    title, _, head, mine, bare, huey, *notes = rates.beside(store, found).splitlines()
    assert title.startswith("Memory: jobs live in this process only")
    assert head.split()[:3] == ["jobs/s", "enqueue", "qml"]
    assert mine.split() == ["qml", "50", "50", "50", "50"]
    assert bare.split() == ["bare", *["100", "50%"] * 4]
    assert huey.split() == ["huey", "-", "-", "-", "5", "10.00", "x"]
    assert len(notes) == 3
    assert notes[-1].endswith("jobs of a killed worker: LOST: a job is deleted when it is taken")
    assert rates.overview([store], [found]).splitlines()[-1].split() == [
        *rates.ROWS["drain"].split(),
        "50",
    ]


def test_aims_are_met_or_not():
    drain = {"qml": 60.0, "huey": 10.0, "bare": 300.0}
    found = {"sqlite": {"drain": drain, "enqueue": {"qml": 1.0}, "enqueue_threads": {"qml": 2.0}}}
    shown = [(line[1], line[3], line[4]) for line in aims.lines(found)]
    others = "qml, enqueue, one by one"
    assert shown == [("huey", "6.00 x", "yes"), ("bare", "20%", "no"), (others, "2.00 x", "no")]
    assert aims.shown({}, {}) == ""


def test_each_aim_is_of_something_measured():
    for aim in aims.AIMS:
        store = STORES[aim.store]
        assert {aim.row, aim.other_row or aim.row} <= {*rates.ROWS}
        own = aim.other in ("qml", "bare")
        assert own or store.kind in peers.PEERS[aim.other].kinds


def test_a_chart_has_a_bar_for_each():
    stores = {"sqlite": STORES["sqlite"]}
    found = {"sqlite": {"drain": {"qml": 60.0, "bare": 300.0, "huey": 10.0, "<b>": 5.0}}}
    root = ElementTree.fromstring(chart.svg("drain", "A & B", stores, found))
    [_, *bars] = root.iter("{http://www.w3.org/2000/svg}rect")  # the first is the page
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:2] == ["A & B", "SQLite, full"]
    assert texts[2::2] == ["qml", "huey", "<b>", "bare"]
    assert texts[3::2] == ["60", "10", "5", "300 →"]
    widths = [float(bar.get("width")) for bar in bars]
    assert widths[0] == widths[3]
    assert widths[0] == pytest.approx(6 * widths[1], rel=0.01)


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
        assert (peers.PEERS[name].pin or name) in {pin.partition("[")[0] for pin in pins}
