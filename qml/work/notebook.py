"""What one run notes, kept until it is written down."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from ..values.clock import Steady
from ..values.errors import ConfigurationError
from ..values.job import Job
from ..values.notes import LINE_LENGTH, LINES_KEPT, LogLine, Notes, shortened
from ..values.states import Processing


class Notebook:
    """The progress, the log and the steps of one run, safe to share between threads.

    It goes on from what the job's earlier runs noted: their log and steps stay, their progress ends
    with the first thing that this run says. Times are those of the store, as the claim has it,
    carried on by ``steady`` from its value ``since``: no wall clock is asked (law 6).

    ``turn`` is held by who takes the notes, until they are written: of two that overtook each other
    on their way to the store, the older would stay. ``doing``: steps that are being done, by the
    threads that hold their turns.
    """

    __slots__ = (
        *("turn", "_job", "_steady", "_since", "_lock", "_notes", "_progress", "_lines"),
        *("_steps", "_kept", "_step_turns", "doing", "_said", "_taken", "_written"),
    )

    def __init__(self, job: Job, steady: Steady, since: float) -> None:
        self.turn = threading.Lock()
        self._job = job
        self._steady = steady
        self._since = since
        self._lock = threading.Lock()
        self._notes: Notes | None = None
        self._progress: tuple[float, float, str] | None = None
        self._lines: list[tuple[float, str]] = []
        self._steps = self._kept = job.notes.steps  # never changed, but replaced by another
        self._step_turns: dict[str, threading.RLock] = {}
        self.doing: set[str] = set()
        self._said = self._taken = self._written = 0  # how often something was

    def progress(self, fraction: float, message: str = "") -> None:
        """How far the run is. Cheap, since a task may say so at every turn of a loop (0.7 µs on the
        machine these lines were written on): all but the last is never looked at."""
        if not isinstance(fraction, int | float) or fraction - fraction != 0:
            raise ConfigurationError(
                f"progress is {fraction!r}; give a fraction from 0 to 1, such as 0.4 for 40 %"
            )
        told = (self._steady(), fraction, _text(message))
        with self._lock:
            self._progress = told
            self._said += 1

    def log(self, text: object) -> None:
        """One line more."""
        line = (self._steady(), _text(text))
        with self._lock:
            self._lines.append(line)
            if len(self._lines) > 2 * LINES_KEPT:
                del self._lines[:LINES_KEPT]
            self._said += 1

    @property
    def steps(self) -> dict[str, Any]:
        """The results of the steps that are done, by name; some may not be in the store yet."""
        return self._steps

    def turn_of(self, step: str) -> threading.RLock:
        """What a thread holds while it is at this step."""
        with self._lock:
            return self._step_turns.setdefault(step, threading.RLock())

    def keep(self, step: str, result: Any, check: Callable[[dict[str, Any]], None]) -> None:
        """This step is done, unless ``check`` raises about what would be kept then."""
        with self._lock:
            steps = {**self._steps, step: result}
            check(steps)
            self._steps = steps
            self._said += 1

    def has_kept(self, step: str) -> bool:
        """Whether the result of this step is in the store."""
        return step in self._kept

    @property
    def news(self) -> bool:
        """Whether something was said that is not ``written`` yet."""
        return self._said != self._written

    def take(self) -> Notes:
        """All notes as they are now, to be written. For the thread that holds the ``turn``; and for
        one that writes them in the same step as the run's end, after which no other is taken."""
        with self._lock:
            lines, self._lines = self._lines, []
            self._taken = self._said
            notes = self._notes or Notes(None, self._job.notes.log)
            notes = notes.with_lines(
                LogLine(self._moment(at), self._job.attempt, shortened(text))
                for at, text in lines[-LINES_KEPT:]
            )
            if self._progress is not None:
                at, fraction, message = self._progress
                fraction = max(0.0, min(1.0, fraction))
                notes = notes.with_progress(fraction, message, self._moment(at))
            self._notes = notes = attrs.evolve(notes, steps=self._steps)
        return notes

    def written(self, kept: bool = True) -> None:
        """What was taken is in the store; not ``kept`` = it was refused, or is on its way only."""
        self._written = self._taken
        if kept and self._notes is not None:
            self._kept = self._notes.steps

    def _moment(self, steady: float) -> datetime:
        state = self._job.state
        begun = state.started_at if isinstance(state, Processing) else self._job.created_at
        return begun + timedelta(seconds=max(0.0, steady - self._since))


def _text(said: object) -> str:
    """What was said, and no more of it than is written in the end."""
    text = said if type(said) is str else str(said)
    return text[: LINE_LENGTH + 1]
