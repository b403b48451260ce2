"""What a map says of itself while it runs: the text, and the line it stands in."""

import io
from types import SimpleNamespace

import pytest

from qml.work import mapreport, progress
from qml.work.mapreport import Report
from qml.work.progress import ELSEWHERE, ON_TERMINAL, Progress


@pytest.fixture
def now(monkeypatch):
    """Seconds on the clock of both, to be set."""
    now = SimpleNamespace(seconds=100.0, monotonic=lambda: now.seconds)
    monkeypatch.setattr(mapreport, "time", now)
    monkeypatch.setattr(progress, "time", now)
    return now


class Stream(io.StringIO):
    """Takes what is written; ``seen`` is what was flushed."""

    seen = ""

    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal

    def flush(self):
        self.seen = self.getvalue()


@pytest.mark.parametrize(
    ("total", "done", "says"),
    [
        (None, 2, "sizes: 2 of 5 so far done, 0.5/s"),
        (8, 2, "sizes: 2 of 8 done, 0.5/s, about 12 s left"),
        (1_200, 1, "sizes: 1 of 1,200 done, 0.2/s, about 4,796 s left"),
        (8, 0, "sizes: 0 of 8 done, 0.0/s"),
        (2, 2, "sizes: 2 of 2 done, 0.5/s"),
    ],
)
def test_how_many_how_fast_and_how_long(now, total, done, says):
    report = Report("sizes", total, None)
    assert report.text(5).endswith("done, 0.0/s")
    now.seconds += 4
    for _ in range(done):
        report.succeeded()
    assert report.text(5) == says


def test_on_a_terminal_the_line_is_written_over(now):
    stream = Stream(terminal=True)
    report = Report("b", 2, Progress(stream))
    report.show(2)
    report.show(2)  # too soon
    assert stream.seen == "\rb: 0 of 2 done, 0.0/s"
    now.seconds += ON_TERMINAL
    report.show(2)
    assert stream.seen == "\rb: 0 of 2 done, 0.0/s" * 2
    report.end()
    assert stream.seen.endswith("\r" + " " * 21 + "\r")
    report.end()  # there is no rest
    report.say("done")
    assert stream.seen.endswith(" \rb: done\n")


def test_elsewhere_a_line_stays_and_comes_now_and_then(now):
    stream = Stream(terminal=False)
    report = Report("b", 2, Progress(stream))
    report.show(2)
    assert stream.seen == ""
    report.show(2, now=True)
    now.seconds += ELSEWHERE
    report.show(2)
    report.end()
    assert stream.seen == "b: 0 of 2 done, 0.0/s\n" * 2


def test_a_shorter_line_covers_the_one_before(now):
    stream = Stream(terminal=True)
    line = Progress(stream)
    line.show("long text", now=True)
    line.show("short", now=True)
    line.show("less", now=True)
    assert stream.seen == "\rlong text\rshort    \rless "


def test_nowhere_nothing_is_shown(now, capsys):
    report = Report("b", 2, None)
    report.show(2, now=True)
    report.end()
    assert capsys.readouterr() == ("", "")
