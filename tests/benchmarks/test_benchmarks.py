"""Each benchmark runs with tiny sizes and prints its tables; how fast, nobody asks here."""

import pytest

from benchmarks import __main__ as whole
from benchmarks import bare_loops, idle, latency, peers, qml_loops, rates, scale
from benchmarks.contest import Turn
from benchmarks.contest import rates as medians
from benchmarks.table import share, table


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize(
    ("loops", "name"),
    [(module.LOOPS, name) for module in (qml_loops, bare_loops) for name in module.LOOPS],
)
def test_a_loop_tells_its_rate(loops, name, durability, tmp_path):
    assert loops[name](tmp_path / "bench.db", durability, 40) > 0


def test_the_bare_loop_and_qml_leave_the_same_rows(tmp_path):
    from qml import connect

    seen = []
    for loop in (qml_loops.LOOPS["drain"], bare_loops.LOOPS["drain_8"]):
        file = tmp_path / f"{len(seen)}.db"
        loop(file, "full", 40)
        with connect(f"sqlite:///{file}") as storage:
            job = storage.list(limit=1)[0]
            seen.append(
                (
                    storage.get_job_counts(),
                    (job.arguments, job.version, job.attempt, job.fence, job.state.result),
                    (job.queue, job.method, job.priority, job.unique_key, job.max_attempts),
                )
            )
    assert seen[0] == seen[1]


def test_medians_are_taken_over_rounds(monkeypatch):
    given = {"a": [3.0, 1.0, 2.0], "b": [30.0, 10.0, 20.0]}
    taken = []

    def take(turn, durability):
        taken.append(turn.loop)
        return given[turn.loop].pop(0)

    monkeypatch.setattr("benchmarks.contest.take", take)
    turns = {name: Turn("module", name, 1) for name in given}
    assert medians(turns, "full", 3) == {"a": 2.0, "b": 20.0}
    assert taken == ["a", "b"] * 3


def test_rates_print_a_table(monkeypatch, capsys):
    monkeypatch.setattr(peers, "python", lambda: None)
    rates.show("normal", 40, 1)
    printed = capsys.readouterr().out
    assert "bare loop, batches of 100" in printed
    assert "huey is left out" in printed


def test_latency_prints_a_table(capsys):
    latency.show("normal", 5)
    assert "across processes: call to start" in capsys.readouterr().out


def test_idle_prints_a_share(capsys):
    idle.show(0.2)
    assert "% of a core" in capsys.readouterr().out


def test_scale_prints_tables(capsys):
    assert scale.main(["--few=20", "--many=4000", "--times=2"]) == 0
    printed = capsys.readouterr().out
    assert "claim of 10" in printed
    assert "page of 50 at 1,000, succeeded or failed" in printed


def test_the_whole_runs_all(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(rates, "show", lambda *given: called.append(("rates", *given)))
    monkeypatch.setattr(latency, "show", lambda *given: called.append(("latency", *given)))
    monkeypatch.setattr(idle, "show", lambda *given: called.append(("idle", *given)))
    assert whole.main(["--size=40", "--rounds=1", "--latencies=5", "--idle=0.1"]) == 0
    assert [call[:2] for call in called] == [
        ("rates", "full"),
        ("latency", "full"),
        ("rates", "normal"),
        ("latency", "normal"),
        ("idle", 0.1),
    ]


def test_a_table_stands_in_columns():
    assert (
        table("T", ["", "n"], [["one", "1"], ["a", "100"]])
        == "T\n-\n       n\none    1\na    100\n"
    )
    assert (share(1.0, 2.0), share(3.0, 2.0)) == ("50%", "1.50 x")
