"""What happened in a simulation, in words."""

import itertools
from collections.abc import Callable


class Story:
    """Lines, indented by what happened within what. A step that came to nothing is left out.
    ``readable`` puts names for people in the place of ids."""

    def __init__(self, readable: Callable[[str], str] = str) -> None:
        self._readable = readable
        self.lines: list[str] = []
        self._headings: list[tuple[str, bool]] = []  # of the steps under way; whether it is told

    def begin(self, heading: str) -> None:
        """A step begins. Its heading is told when there is more to tell."""
        self._headings.append((heading, False))

    def end(self, result: str | None = None) -> None:
        """The step that began last ends, with a ``result`` that is worth telling or without."""
        if result is not None and not self._headings[-1][1]:
            heading, _ = self._headings.pop()
            self.tell(f"{heading}: {result}" if result else heading)
            return
        if result:
            self.tell(f"-> {result}")
        self._headings.pop()

    def tell(self, line: str) -> None:
        """Something happened within the steps under way."""
        for depth, (heading, told) in enumerate(self._headings):
            if not told:
                self.lines.append("  " * depth + self._readable(heading))
                self._headings[depth] = (heading, True)
        self.lines.append("  " * len(self._headings) + self._readable(line))

    def __str__(self) -> str:
        """Line by line, what repeats itself once."""
        counted = [(line, len([*same])) for line, same in itertools.groupby(self.lines)]
        return "\n".join(
            line if times == 1 else f"{line} ({times} times)" for line, times in counted
        )
