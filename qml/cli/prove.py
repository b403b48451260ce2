"""``qml prove``: the promises, tried on a store of the user's own."""

import argparse
import contextlib
import os
import tempfile
import textwrap
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..values.errors import ConfigurationError
from ..values.texts import as_json, lines_of, say, terminal_width
from ..work.progress import Progress
from . import codes, colours, settings, stores
from .ending import interrupted_by_sigterm
from .logs import warnings_of_qml
from .settings import Setting

if TYPE_CHECKING:
    from ..testing.proving import Found, Part, Proof

SECONDS = Setting(
    "seconds",
    "QML_SECONDS",
    settings.seconds(1, "give seconds, 1 or more"),
    60.0,
    "about how long; longer tries more",
    "N",
)

KEPT_IN = "HYPOTHESIS_STORAGE_DIRECTORY"

NARROWEST, WIDEST = 50, 100
"""Columns for the report."""

ABOUT = """\
Try qml's promises on this store: each operation, any sequence of them, servers
that die or lose replies at any moment, operations at the same moment, and real
processes that are killed. All of it happens beside what is stored: in another
file of the same folder, another schema, another prefix, which is removed at the
end. It needs the extra [testing], and keeps the server busy while it runs."""


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    about = "try the promises on a store of yours"
    parser = commands.add_parser("prove", help=about, description=ABOUT)
    parser.add_argument("url", metavar="URL", nargs="?", help=f"{stores.URL.says} [QML_URL]")
    settings.add(parser, (SECONDS, stores.JSON))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Prove and print; the exit code tells whether all promises held."""
    url = stores.URL.value(arguments.url, os.environ)
    if url is None:
        raise ConfigurationError("which store? Give qml prove sqlite:///jobs.db, or set QML_URL")
    try:
        from ..testing.proving import prove
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ConfigurationError(
            "qml prove needs Hypothesis: pip install 'queue-me-later[testing]'"
        ) from error
    line, begun = Progress(), time.monotonic()

    def tell(part: "Part", tried: str) -> None:
        look()
        line.show(f"{time.monotonic() - begun:4.0f} s  {part.name}: {tried}")

    with warnings_of_qml(lambda _: None), _nothing_left_here(), interrupted_by_sigterm() as look:
        proof = prove(stores.config_of(url), arguments.seconds, tell)
        look()
    line.clear()
    took = time.monotonic() - begun
    say(as_json(as_dict(proof, took)) if arguments.json else "\n".join(shown(proof, took)))
    return codes.DONE if proof.holds else codes.FAILED


@contextlib.contextmanager
def _nothing_left_here() -> Iterator[None]:
    """Hypothesis keeps what it has learnt in the current folder, unless told where else."""
    if KEPT_IN in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="qml-prove-") as folder:
        os.environ[KEPT_IN] = folder
        try:
            yield
        finally:
            del os.environ[KEPT_IN]


def as_dict(proof: "Proof", took: float) -> dict[str, Any]:
    """For programs."""
    return {
        "holds": proof.holds,
        "seconds": round(took, 1),
        "parts": [
            {
                "name": found.part.name,
                "shows": found.part.shows,
                "tried": found.counts,
                "seconds": round(found.seconds, 1),
                "fault": found.fault,
            }
            for found in proof.found
        ],
    }


def shown(proof: "Proof", took: float) -> list[str]:
    """For people: what was tried, what that shows, and the stories of what was broken."""
    width = max(NARROWEST, terminal_width() or WIDEST)
    lines = []
    for found in proof.found:
        word = f"{'BROKEN' if found.fault else 'ok':<8}"
        first, *more = _wrapped(f"{word}{found.part.name:<11}", f"{found.part.shows}", width)
        lines += [colours.word(word) + first.removeprefix(word), *more]
        lines += _wrapped("", f"tried: {found.tried}", width)
    for found in proof.found:
        if found.fault:
            lines += ["", f"{found.part.name}:", *(f"  {x}" for x in lines_of(found.fault))]
    return [*lines, "", *textwrap.wrap(_verdict(proof, took), width)]


def _wrapped(head: str, text: str, width: int) -> list[str]:
    gap = " " * 19
    return textwrap.wrap(text, width, initial_indent=f"{head:<19}", subsequent_indent=gap)


def _verdict(proof: "Proof", took: float) -> str:
    if not proof.holds:
        broken = ", ".join(found.part.name for found in proof.found if found.fault)
        return (
            f"FAILED: a promise was broken ({broken}). Do not use this store until that is "
            "understood; please report the story above"
        )
    return f"PASSED: no promise was broken in {took:.0f} s{_bound(proof.found)}"


def _bound(found: "list[Found]") -> str:
    kills = sum(one.counts.get("kills", 0) for one in found)
    if kills < 4:
        return ""
    return f"; with 95 % confidence less than 1 kill in {kills // 3} does harm (rule of three)"
