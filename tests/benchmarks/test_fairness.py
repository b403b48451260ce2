"""Who waits how long: what is printed, and when the aim is missed."""

import pytest

from benchmarks import fairness, peers


@pytest.fixture(autouse=True)
def without_peers(monkeypatch):
    monkeypatch.setattr(peers, "there", frozenset)


def test_processes_write_at_once_and_all_waits_are_told(capsys):
    code = fairness.main(["--stores", "sqlite-normal", "--processes", "2", "--seconds", "0.2"])
    lines = capsys.readouterr().out.splitlines()
    found = {line.split()[0]: line.split()[1:] for line in lines[5:7]}
    assert [*found] == ["qml", "bare"]
    worst = float(found["qml"][-1])
    assert code == (worst > fairness.AIM)
    assert 0 < float(found["qml"][2]) <= worst


@pytest.mark.parametrize(("worst", "code", "word"), [(100.0, 0, "met"), (100.1, 1, "missed")])
def test_the_aim_is_about_the_worst_wait_of_qml(monkeypatch, capsys, worst, code, word):
    def measure(store, name, processes, seconds):
        return [[1.0, 2.0, worst], [3.0]] if name == "qml" else [[1.0, 900.0], [2.0]]

    monkeypatch.setattr(fairness, "measure", measure)
    assert fairness.main(["--stores", "sqlite", "--seconds", "2"]) == code
    told = capsys.readouterr().out
    assert told.endswith(f"is {word}.\n")
    [row] = [line.split() for line in told.splitlines() if line.startswith("qml")]
    assert row == ["qml", "2", "0", "2.50", f"{(97 * worst + 3 * 3) / 100:.2f}", f"{worst:.2f}"]
