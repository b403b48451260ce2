"""What may keep a job back at the end of a history, so that nobody could have done it."""

from collections import defaultdict

from ...values.states import FINAL, WAITING
from .facts import NO_TIES, Facts
from .operation import DONE, UNKNOWN, Operation, Operations


class KeptBack:
    """Knows what jobs share at the end. In doubt a job is kept back: of a batch nobody has noted
    whether more were to come."""

    def __init__(self, operations: Operations) -> None:
        self._of_queues = operations.of_queues
        self._final: dict[str, Facts] = {}
        self._opens: dict[str, int] = defaultdict(int)
        self._held: dict[str, int] = defaultdict(int)
        for job, ops in operations.by_job.items():
            for op in ops:
                self._learn(job, op)

    def _learn(self, job: str, op: Operation) -> None:
        if op.told is None:
            return
        ties = op.told.ties or NO_TIES
        if op.verb == "final":
            self._final[job] = op.told
            if ties.key is not None and op.told.until is not None:
                self._held[ties.key] = max(self._held[ties.key], op.told.until)
        elif op.verb == "claim" and ties.pace is not None:
            opens = op.told.since + (ties.gap or 0)
            self._opens[ties.pace] = max(self._opens[ties.pace], opens)

    def at_the_end(self, final: Operation) -> bool:
        """Whether something may have kept this job back when the store was looked at."""
        job = final.told
        assert job is not None
        if job.kind not in WAITING:
            return False
        ties = job.ties or NO_TIES
        if job.fence == 0 and (ties.after_batch is not None or self._unended(ties.after)):
            return True
        times = [self._held[ties.key]] if ties.key is not None else []
        times += [self._opens[ties.pace]] if ties.pace is not None else []
        return any(time > final.early for time in times) or self._is_paused(job.queue)

    def _unended(self, parents: tuple[str, ...]) -> bool:
        found = [self._final[parent] for parent in parents if parent in self._final]
        return any(parent.kind not in FINAL for parent in found)

    def _is_paused(self, queue: str) -> bool:
        """Whether it was paused, and not resumed after that for sure."""
        ops = self._of_queues.get(queue, ())
        resumed = [op.began for op in ops if op.verb == "resume" and op.answer != UNKNOWN]
        return any(
            op.verb == "pause"
            and op.answer in (DONE, UNKNOWN)
            and op.ended > max(resumed, default=0)
            for op in ops
        )
