"""A live view of figures with ``rich``: the only module that imports it."""

from typing import Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..values.texts import plain
from .stats import Section

STYLES = {
    "failed": "red",
    "awaiting_retry": "yellow",
    "processing": "cyan",
    "succeeded": "green",
    "deleted": "dim",
}


class RichView:
    """Sections as tables on a terminal's other screen, which leaves the first as it was."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(highlight=False)
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def show(self, head: str, sections: list[Section]) -> None:
        """Show them in the place of those before."""
        parts = [part for section in sections for part in (Text(), *_parts(section))]
        self._live.update(Group(Text(head, style="bold", no_wrap=True), *parts), refresh=True)

    def __exit__(self, *error: object) -> None:
        self._live.stop()


def _parts(section: Section) -> list[Table | Text]:
    notes: list[Table | Text] = [Text(note) for note in section.notes]
    if not section.rows:
        return notes
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for title in section.titles:
        numbers = title in section.right
        table.add_column(title, justify="right" if numbers else "left", no_wrap=True)
    for row in section.rows:
        texts = [plain(cell) for cell in row]
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in texts))
    return [table, *notes]
