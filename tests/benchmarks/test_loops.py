"""What the loops count, with a clock that only steps move."""

import json
import threading

import pytest

from benchmarks import loops
from benchmarks.contestants import bare, qml
from benchmarks.loops import LOOPS, URL, Effort, crowd, drained, enter, lasting, split


@pytest.fixture
def clock(monkeypatch):
    """Each thread's own; it moves by 0.125 s when it is called."""
    mine = threading.local()
    monkeypatch.setattr(loops.time, "perf_counter", lambda: getattr(mine, "now", 0.0))

    def step():
        mine.now = getattr(mine, "now", 0.0) + 0.125

    return step


class Fake:
    def __init__(self, step):
        self.step, self.calls = step, []

    def enqueue(self):
        self.calls.append(1)
        self.step()

    def enqueue_many(self, many):
        self.calls.append(many)
        self.step()

    def drain(self, size):
        self.calls.append(f"drain {size}")
        self.step()

    def close(self):
        self.calls.append("close")


def test_the_first_step_is_not_counted(clock):
    steps = []

    def slow_at_first():
        for _ in range(1 if steps else 40):
            clock()
        steps.append(1)

    assert lasting(1.0, slow_at_first) == 8
    assert len(steps) == 9
    assert lasting(0.05, clock) == 8  # one at least


def test_each_wait_is_told(clock):
    assert loops.waits(1.0, clock) == [125.0] * 8


def test_a_crowd_adds_up(clock):
    threads = set()

    def step():
        threads.add(threading.current_thread())
        clock()

    assert crowd(1.0, step) == 8 * loops.THREADS
    assert len(threads) == loops.THREADS


def test_a_crowd_tells_what_went_wrong():
    with pytest.raises(ZeroDivisionError):
        crowd(0.01, lambda: 1 / 0)


def test_storing_what_is_drained_is_not_counted(clock):
    fake = Fake(clock)
    assert drained(fake, 2_500) == 2_500 / 0.125
    assert fake.calls == [1000, 1000, 500, "drain 2500"]


def test_each_loop_counts_jobs(clock):
    effort = Effort(0.25, 10)
    found = {name: loop(Fake(clock), effort) for name, loop in LOOPS.items()}
    assert found == {
        "enqueue": 8,
        "enqueue_threads": 64,
        "enqueue_many": 8_000,
        "drain": 80,
    }


@pytest.mark.parametrize("loop", LOOPS)
def test_qml_takes_part_on_every_store(loop, store):
    with store.new() as url:
        contestant = qml.Contestant(url)
        assert LOOPS[loop](contestant, Effort(0.01, 40)) > 0
        contestant.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_the_bare_driver_takes_part_where_there_is_one(loop, shared):
    with shared.new() as url:
        contestant = bare.Contestant(url)
        assert LOOPS[loop](contestant, Effort(0.01, 40)) > 0
        contestant.close()


def test_a_command_runs_one_loop_and_prints_its_rate(clock, monkeypatch, capsys):
    monkeypatch.setenv(URL, "memory://")
    made = []

    def make(url):
        made.append((url, Fake(clock)))
        return made[0][1]

    enter(make, ["drain", "--size", "10"])
    assert json.loads(capsys.readouterr().out) == 80
    [(url, fake)] = made
    assert (url, fake.calls) == ("memory://", [10, "drain 10", "close"])


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("memory://", ("memory://", {})),
        (
            "postgresql://u:p%40@h/d?sslmode=require&schema_name=s",
            ("postgresql://u:p%40@h/d?sslmode=require", {"schema_name": "s"}),
        ),
        ("redis://h/0?key_prefix=p", ("redis://h/0", {"key_prefix": "p"})),
    ],
)
def test_a_url_is_split_into_the_servers_and_qmls(url, parts):
    assert split(url) == parts
