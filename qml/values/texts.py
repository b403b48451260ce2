"""Text for a terminal: nothing stored may steer it, columns line up, long cells are cut."""

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

GAP = "  "
NARROWEST = 8


def plain(text: object) -> str:
    """Text in one line that a terminal only shows: whatever is not printable (escape sequences,
    line ends, marks that turn the direction of writing) stands there as an escape like ``\\x1b``.
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown
    )


def lines_of(text: str) -> list[str]:
    """The lines of a longer text, a traceback say, each of them plain."""
    return [plain(line.rstrip("\r").expandtabs(4)) for line in text.rstrip("\n").split("\n")]


def as_json(value: Any) -> str:
    """JSON for programs: ASCII only, so that it is safe on a terminal, too."""
    return json.dumps(value, indent=2)


def say(text: str = "", *, to: TextIO | None = None) -> None:
    """Print a line. What the stream's encoding lacks is shown as an escape, never an error."""
    print(encodable(text, to or sys.stdout), file=to or sys.stdout)


def complain(text: str) -> None:
    """Print a sentence about a trouble on stderr."""
    say(f"qml: {plain(text)}", to=sys.stderr)


def encodable(text: str, stream: TextIO) -> str:
    """``text`` with escapes for what ``stream`` cannot write."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Columns there are; None = no limit, since nobody looks at it or it goes to a file.
    ``COLUMNS`` decides where it is set."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size((stream or sys.stdout).fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def width_of(text: str) -> int:
    """Columns that a plain text takes: two for wide characters, none for accents of their own."""
    if text.isascii():
        return len(text)
    return sum(_width(char) for char in text)


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """``text``, or as much of it as fits into ``width`` columns with three dots after it."""
    if width_of(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        used += _width(char)
        if used > max(0, width - 3):
            break
        kept += char
    return kept + "..."


def table(
    titles: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Sequence[str] = (),
    flexible: Sequence[str] = (),
    optional: Sequence[str] = (),
    width: int | None = None,
    paint: Callable[[str, str], str] = lambda title, cell: cell,
) -> list[str]:
    """Lines of a table. ``right``: titles of columns set to the right. To keep within ``width``,
    those of ``flexible`` are cut; where that is not enough, those of ``optional`` are left out,
    the first of them first. ``paint`` makes of a title and a cell, which has its width by then,
    what is printed; it must not change the width."""
    cells = [list(titles), *([plain(cell) for cell in row] for row in rows)]
    columns = {title: [row[n] for row in cells] for n, title in enumerate(titles)}
    widths = {title: max(map(width_of, column)) for title, column in columns.items()}
    if width is not None:
        _leave_out(widths, flexible, optional, width)
        _shrink(widths, flexible, width)
    sides = {title: _to_right if title in right else _to_left for title in widths}
    last = list(widths)[-1]

    def cell(title: str, n: int) -> str:
        text = sides[title](cut(columns[title][n], widths[title]), widths[title])
        text = text.rstrip() if title == last else text
        return paint(title, text) if n else text

    return [GAP.join(cell(title, n) for title in widths).rstrip() for n in range(len(cells))]


def _total(widths: Iterable[int]) -> int:
    sizes = list(widths)
    return sum(sizes) + len(GAP) * (len(sizes) - 1)


def _leave_out(
    widths: dict[str, int], flexible: Sequence[str], optional: Sequence[str], width: int
) -> None:
    for title in optional:
        least = [min(size, NARROWEST) if t in flexible else size for t, size in widths.items()]
        if _total(least) > width:
            del widths[title]


def _shrink(widths: dict[str, int], flexible: Sequence[str], width: int) -> None:
    """Take from the widest flexible column until all fit, or none can give any more."""
    while _total(widths.values()) > width:
        left = [title for title in flexible if widths.get(title, 0) > NARROWEST]
        if not left:
            return
        widths[max(left, key=lambda title: widths[title])] -= 1


Side = Callable[[str, int], str]


def _to_left(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def _to_right(text: str, width: int) -> str:
    return " " * (width - width_of(text)) + text
