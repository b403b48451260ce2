"""The score of mutmut's mutants is what its files say."""

import json
from collections import Counter

import pytest

from tests.mutants.score import interval, lines, main

META = {
    "qml.work.a.x_f__mutmut_1": 1,
    "qml.work.a.x_f__mutmut_2": 0,
    "qml.work.a.x_f__mutmut_3": -24,
    "qml.work.a.x_f__mutmut_4": 33,
    "qml.work.a.x_f__mutmut_5": None,
    "qml.work.a.x_f__mutmut_6": -11,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    file = tmp_path / "mutants" / "qml" / "work" / "a.py.meta"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"exit_code_by_key": META}), "utf-8")
    monkeypatch.chdir(tmp_path)


def test_what_was_tried_is_counted(folder, capsys):
    assert main([]) == 0
    told = capsys.readouterr().out
    assert told.startswith("5 of 6 mutants tried\n")
    assert "killed of all tried: 2 / 5 = 40.0%" in told
    assert "killed of those with tests: 2 / 4 = 50.0%" in told


def test_those_that_live_are_named(folder, capsys):
    main(["--alive"])
    assert capsys.readouterr().out.splitlines()[:3] == [
        "survived qml.work.a.x_f__mutmut_2",
        "no tests qml.work.a.x_f__mutmut_4",
        "other qml.work.a.x_f__mutmut_6",
    ]


def test_nothing_tried_has_no_score():
    assert list(lines(Counter(untried=3))) == ["0 of 3 mutants tried", "  3 untried"]


@pytest.mark.parametrize(
    ("killed", "tried", "low", "high"),
    [(0, 10, 0.0, 0.27754), (10, 10, 0.72246, 1.0), (50, 100, 0.40383, 0.59617)],
)
def test_the_interval_is_wilsons(killed, tried, low, high):
    assert interval(killed, tried) == pytest.approx((low, high), abs=5e-5)
