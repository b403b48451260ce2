"""A mutant as it is kept: lines that say what it breaks, and a unified diff."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "patches"

HUNK = re.compile(r"^@@ .*\n((?:[ +\\-].*\n|\n)+)", re.MULTILINE)


class DoesNotApply(Exception):
    """The code is another than the patch was made for."""


@dataclass(frozen=True)
class Mutant:
    """One break of qml. ``tests`` are the files that should find it, ``select`` is for -k."""

    name: str
    promise: str
    tests: tuple[str, ...]
    select: str
    diffs: tuple[tuple[str, str], ...]  # of each file its path, and its hunks as text

    def apply(self, tree: Path) -> None:
        """Change the qml below ``tree``: all of the patch, or DoesNotApply."""
        changed = {
            tree / path: applied((tree / path).read_text("utf-8"), diff)
            for path, diff in self.diffs
        }
        for file, text in changed.items():
            file.unlink()  # it may be a link to that of another tree
            file.write_text(text, "utf-8")


def read(file: Path) -> Mutant:
    """The mutant of a patch file. ValueError when it is not as it should be."""
    head, *rest = re.split(r"^--- a/(.*)\n\+\+\+ b/.*\n", file.read_text("utf-8"), flags=re.M)
    told = dict(re.findall(r"^(\w+): (.*(?:\n .*)*)$", head, re.MULTILINE))
    if not rest or told.keys() - {"Select"} != {"Promise", "Tests"}:
        raise ValueError(f"{file.name} needs the lines Promise and Tests, and a diff")
    return Mutant(
        file.stem,
        " ".join(told["Promise"].split()),
        tuple(told["Tests"].split()),
        " ".join(told.get("Select", "").split()),
        tuple(zip(rest[::2], rest[1::2], strict=True)),
    )


def read_all(folder: Path = FOLDER) -> list[Mutant]:
    """Every mutant that is kept, by name."""
    return [read(file) for file in sorted(folder.glob("*.patch"))]


def applied(text: str, diff: str) -> str:
    """A file's text with all hunks in it. Each has to stand there to the letter and once only,
    wherever that is: other lines may come and go, but no mutant is put in a wrong place."""
    for hunk in HUNK.findall(diff):
        old, new = _side(hunk, "-"), _side(hunk, "+")
        found = len(re.findall(f"(?=\n{re.escape(old)})", f"\n{text}"))
        if found != 1:
            raise DoesNotApply(f"found {found} times:\n{old}")
        text = f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]
    return text


def _side(hunk: str, sign: str) -> str:
    """What a hunk says of the file before ("-") or after ("+")."""
    lines = (line if line.strip() else " " for line in hunk.splitlines())
    return "".join(f"{line[1:]}\n" for line in lines if line[0] in (" ", sign))
