"""Notes of a run: bounded, and storable whatever was said."""

from datetime import UTC, datetime

import pytest

from qml import ConfigurationError, LogLine, Notes, Progress
from qml.seam import notes as texts
from qml.values.notes import LINE_LENGTH, LINES_KEPT, LOG_LENGTH, notes_from_dict, shortened
from qml.values.records import to_dict

AT = datetime(2030, 1, 1, 12, 0, 0, 250, tzinfo=UTC)


def lines(*wanted):
    return [LogLine(AT, 1, text) for text in wanted]


def test_the_last_lines_are_kept():
    notes = Notes().with_lines(lines(*map(str, range(LINES_KEPT + 20))))
    assert [line.text for line in notes.log] == [str(n) for n in range(20, LINES_KEPT + 20)]
    notes = notes.with_lines(lines("more"))
    assert len(notes.log) == LINES_KEPT
    assert (notes.log[0].text, notes.log[-1].text) == ("21", "more")


def test_the_log_has_a_length_in_all():
    long = "x" * LINE_LENGTH
    notes = Notes().with_lines(lines("first", *[long] * 20))
    assert [line.text for line in notes.log] == [long] * (LOG_LENGTH // LINE_LENGTH)
    notes = notes.with_lines(lines("last"))
    assert sum(len(line.text) for line in notes.log) <= LOG_LENGTH
    assert [line.text for line in notes.log] == [long] * 19 + ["last"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 5_000_000, "ü" * 2_000, ""])
def test_whatever_is_said_can_be_stored(text):
    kept = shortened(text)
    kept.encode()
    assert len(kept) <= LINE_LENGTH
    assert "\0" not in kept
    notes = Notes().with_progress(0.5, text, AT).with_lines(lines(kept))
    assert texts.decode(texts.encode(notes)) == notes
    assert notes_from_dict(to_dict(notes)) == notes


def test_nothing_said_is_no_text():
    assert texts.encode(Notes()) == ""
    assert texts.decode("") == Notes()


@pytest.mark.parametrize("fraction", [None, "1", True, float("nan"), float("inf")])
def test_a_progress_is_a_number(fraction):
    with pytest.raises(ConfigurationError, match="progress is"):
        Progress(AT, fraction, "")
