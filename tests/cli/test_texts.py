"""Nothing stored steers a terminal; columns line up; figures read well."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qml.cli import figures
from qml.values import texts

ANY_TEXT = st.text(st.characters(exclude_categories=()))
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@given(ANY_TEXT)
def test_plain_text_is_printable(text):
    shown = texts.plain(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


@given(ANY_TEXT)
def test_lines_are_printable(text):
    assert all(line.isprintable() for line in texts.lines_of(text))


def test_what_is_escaped_can_be_read():
    assert texts.plain("a\x1b[31m\u202eb\n\ud800\x9b") == r"a\x1b[31m\u202eb\n\ud800\x9b"


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers()))
@example({"\x7f\x9b\u202e\ud800": "\x7f"})
def test_json_is_printable_and_parses(value):
    text = texts.as_json(value)
    assert text.replace("\n", "").isprintable()
    assert text.isascii()
    assert json.loads(text) == value


@given(ANY_TEXT, st.sampled_from(["ascii", "latin-1", "utf-8"]))
def test_any_text_can_be_said_in_any_encoding(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    texts.say(text, to=stream)
    stream.flush()


@given(ANY_TEXT.map(texts.plain), st.integers(3, 30))
def test_what_is_cut_fits(text, width):
    cut = texts.cut(text, width)
    assert texts.width_of(cut) <= width
    assert cut == text or cut.endswith("...")


@given(
    st.lists(st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT), min_size=1, max_size=4),
    st.integers(35, 200) | st.none(),
)
def test_a_table_keeps_within_its_width(rows, width):
    titles = ("ID", "METHOD", "NOTE")
    lines = texts.table(titles, rows, flexible=titles, width=width)
    assert len(lines) == len(rows) + 1
    if width is not None:
        assert max(map(texts.width_of, lines)) <= width


def test_columns_line_up_under_wide_characters():
    lines = texts.table(("A", "B"), [("漢字", "x"), ("ab", "y"), ("e\u0301", "z")])
    assert lines == ["A     B", "漢字  x", "ab    y", "e\u0301     z"]


def test_numbers_stand_to_the_right():
    assert texts.table(("N",), [(1,), ("1,000",)], right=("N",)) == ["    N", "    1", "1,000"]


def test_what_does_not_fit_is_left_out():
    titles = ("ID", "METHOD", "NOTE")
    options = {"flexible": ("METHOD", "NOTE"), "optional": ("NOTE",)}
    row = ("i" * 20, "m" * 20, "n" * 20)
    assert texts.table(titles, [row], **options, width=100)[1] == "  ".join(row)
    assert texts.table(titles, [row], **options, width=40)[1].endswith("n...")
    assert texts.table(titles, [row], **options, width=34)[1] == "i" * 20 + "  mmmmmmmmm..."


def test_the_width_is_the_terminals(monkeypatch):
    assert texts.terminal_width(io.StringIO()) is None
    monkeypatch.setenv("COLUMNS", "77")
    assert texts.terminal_width(io.StringIO()) == 77


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (-5.9, "5 s ago"),
        (-180, "3 min ago"),
        (-7_300, "2 h ago"),
        (-3 * 86_400, "3 d ago"),
        (90, "in 1 min"),
    ],
)
def test_moments(seconds, text):
    assert figures.when(NOW + timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (999_999, "1.0 MB"), (3e15, "3,000.0 TB")],
)
def test_sizes(count, text):
    assert figures.size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *[(0.04, "0.0 ms"), (12.3, "12 ms"), (1_500, "1.5 s"), (180_000, "3 min")],
        *[(9.97, "10 ms"), (999.8, "1.0 s"), (59_970, "1 min")],
    ],
)
def test_durations(count, text):
    assert figures.milliseconds(count) == text
