"""What a map tells of itself: how far it is, what failed, and how to go on."""

import shlex
import time
from collections.abc import Iterator, Sequence

from ..values.errors import BatchFailed, JobFailed
from ..values.job import Job
from ..values.states import StateKind
from . import batch as batches
from .mapping import Place
from .progress import Progress

NAMED = 10
"""Failures that are named in the report; the others are counted."""


class Report:
    """Counts what comes back of the batch ``name``; ``total``: inputs there are, None = unknown.
    ``line``: where it is shown; None = nowhere."""

    def __init__(self, name: str, total: int | None, line: Progress | None) -> None:
        self._name = name
        self._total = total
        self._line = line
        self._since = time.monotonic()
        self._failures: list[tuple[Place, str]] = []
        self.done = 0
        self.failed = 0
        self._deleted = 0

    def succeeded(self) -> None:
        """One more result."""
        self.done += 1

    def failure(self, place: Place, job: Job) -> JobFailed:
        """One more without; the error that says so."""
        self.done += 1
        self.failed += 1
        self._deleted += job.state.kind is StateKind.DELETED
        why = batches.why(job)
        if len(self._failures) < NAMED:
            self._failures.append((place, why))
        return JobFailed(f"input {place.number:,}: job {job.id} {why}", job_id=job.id)

    def show(self, enqueued: int, *, now: bool = False) -> None:
        """Show how far it is, if it is time to."""
        if self._line is not None:
            self._line.show(self.text(enqueued), now=now)

    def text(self, enqueued: int) -> str:
        """How far it is, in a line; ``enqueued``: how many inputs are in the store, or were."""
        of = f"{self._total:,}" if self._total is not None else f"{enqueued:,} so far"
        failed = f", {self.failed:,} failed" if self.failed else ""
        seconds = time.monotonic() - self._since
        rate = self.done / seconds if seconds > 0 else 0.0
        text = f"{self._name}: {self.done:,} of {of} done{failed}, {rate:,.1f}/s"
        if self._total is not None and 0 < self.done < self._total:
            text += f", about {seconds / self.done * (self._total - self.done):,.0f} s left"
        return text

    def say(self, text: str) -> None:
        """A line that stays."""
        (self._line or Progress()).say(f"{self._name}: {text}")

    def end(self) -> None:
        """Leave no rest of the line."""
        if self._line is not None:
            self._line.clear()

    def error(self) -> BatchFailed:
        """All that failed."""
        lines = [f"  input {one.number:,} ({one.job_id}): {why}" for one, why in self._failures]
        if self.failed > len(lines):
            more = f"{self.failed - len(lines):,} more"
            lines.append(f"  and {more}: see qml jobs list --batch {shlex.quote(self._name)}")
        head = f"{self.failed:,} of {self.done:,} jobs of batch {self._name} have no result"
        ids: Sequence[str] = [place.job_id for place, _ in self._failures]
        text = "\n".join([f"{head}:", *lines, *self._remedies()])
        return BatchFailed(text, failed=self.failed, job_ids=tuple(ids))

    def _remedies(self) -> Iterator[str]:
        if self.failed > self._deleted:
            yield "Run it again with retry_failed=True to have those run again; nothing else is."
        if self._deleted:
            yield (
                f"What was deleted stays so until it is removed ({self._deleted:,}): "
                f"qml jobs purge --batch {shlex.quote(self._name)} --state deleted; "
                "then run it again."
            )
