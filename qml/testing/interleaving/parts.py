"""A claim that comes upon a job that has expired is no single step.

It claims, ends what it came upon too late, and claims again in its place. Others may see the job
claimed for an instant. So where another hand had its turn within such a claim, each of its parts
has a place of its own in the order of the oracle.
"""

from collections.abc import Sequence
from typing import Any

from ...seam.rows import Claimed
from ...values.job import Job
from ..model import StorageModel
from .operations import Act, Start
from .turns import Call

CLAIM = " claim"


class InParts(StorageModel):
    """The oracle, which claims part by part for those that ask for it."""

    def take(self, worker: str) -> list[Job]:
        """The first part: whatever is due is claimed."""
        best = self._best(worker, None, 10)
        for entry in best:
            self._claim(entry, worker, None)
        return [entry.job for entry in best]

    def end_late(self, taken: list[Job]) -> list[Job]:
        """The second part: what had expired is ended; the rest."""
        late = [job for job in taken if job.expires_at is not None and job.expires_at <= self.now()]
        for job in late:
            entry = self._claimed(job)
            if entry is not None and entry.is_processing:
                self._expire(entry, attempt=entry.job.attempt - 1)
            if entry is not None and entry.running:
                entry.end()
        return [job for job in taken if job not in late]


def disturbed(names: Sequence[str], calls: Sequence[Call]) -> list[int]:
    """The hands whose claims were not alone while they ended what had expired."""
    return [hand for hand, name in enumerate(names) if name.endswith(CLAIM) and _met(hand, calls)]


def _met(hand: int, calls: Sequence[Call]) -> bool:
    mine = [at for at, call in enumerate(calls) if call.hand == hand]
    came_upon = any(isinstance(calls[at].answer, Claimed) for at in mine[:-1])
    return came_upon and mine[-1] - mine[0] >= len(mine)


def in_parts(name: str) -> Act:
    """The claim of this name part by part: the next one whenever it is called."""
    worker = name.removesuffix(CLAIM)
    steps = [
        lambda model, taken: model.take(worker),
        lambda model, taken: model.end_late(taken),
        lambda model, taken: taken + model.fetch_available_jobs_atomic(worker),
    ]
    taken: list[Job] = []

    def part(model: Any, start: Start) -> Any:
        taken[:] = steps.pop(0)(model, taken)
        return list(taken)

    return part
