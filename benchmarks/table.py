"""Tables of plain text."""

from collections.abc import Sequence


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column stands left and whose figures stand right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = [title, "-" * len(title), _line(head, widths)]
    return "\n".join(lines + [_line(row, widths) for row in rows]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if n == 0 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def rate(value: float) -> str:
    """A rate per second."""
    return f"{value:,.0f}"


def share(value: float, of: float) -> str:
    """A rate as a share of another: in per cent when it is less."""
    ratio = value / of
    return f"{ratio:.2f} x" if ratio >= 1 else f"{ratio:.0%}"
