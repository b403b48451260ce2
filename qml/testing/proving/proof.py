"""Runs the parts of the proof one after the other, in a namespace of their own."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from ...storage.urls import Config
from ...values.errors import StorageUnavailable
from ..making import needs_asserts
from ..namespaces import namespace
from .parts import PARTS, Part, Stage


@attrs.frozen
class Found:
    """What came of one part: ``tried`` in words and ``counts`` by name; ``fault``: the story of a
    broken promise, None = there is none; ``seconds`` it took."""

    part: Part
    tried: str
    counts: dict[str, int]
    fault: str | None
    seconds: float


@attrs.frozen
class Proof:
    """What came of all parts."""

    found: list[Found]

    @property
    def holds(self) -> bool:
        """Whether no promise was broken."""
        return all(found.fault is None for found in self.found)


def prove(
    config: Config, seconds: float, tell: Callable[[Part, str], None] = lambda part, text: None
) -> Proof:
    """Try the promises on the store of ``config``, beside what is stored there, for about so many
    seconds. ``tell`` hears now and then how far a part is. Nothing is left behind.

    StorageUnavailable when the store does not answer.
    """
    needs_asserts()
    parts = [part for part in PARTS if part.fits(config)]
    with tempfile.TemporaryDirectory(prefix="qml-prove-") as folder:
        return Proof([_run(part, config, seconds, Path(folder), tell) for part in parts])


def _run(
    part: Part, config: Config, seconds: float, folder: Path, tell: Callable[[Part, str], None]
) -> Found:
    begun = time.monotonic()
    with namespace(config) as place:
        until = begun + seconds * part.share
        stage = Stage(place, until, folder / part.name, lambda text: tell(part, text))
        fault = None
        try:
            part.run(stage)
        except StorageUnavailable:
            raise
        except Exception as error:
            fault = story(error)
        took = time.monotonic() - begun
        return Found(part, stage.tried(), dict(stage.counts), fault, took)


def story(error: Exception) -> str:
    """An error with what Hypothesis and the machines have noted below it."""
    notes = getattr(error, "__notes__", [])
    first = str(error) if isinstance(error, AssertionError) else repr(error)
    return "\n".join([first, *notes])
