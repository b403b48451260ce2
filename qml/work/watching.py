"""Who watches runs from the server's side, whatever process the task runs in."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from ..storage.hooks import Watcher
from ..values.interrupts import is_for_the_program
from .executor import Outcome
from .runs import Run

log = logging.getLogger("qml.hooks")


def watched(watchers: Sequence[Watcher], execute: Callable[[Run], Outcome], run: Run) -> Outcome:
    """What comes of a run, executed once and within ``watchers``, the first of them outermost.
    What one raises is logged and harms nobody."""
    outcomes: list[Outcome] = []

    def once() -> None:
        if not outcomes:
            outcomes.append(execute(run))

    call: Callable[[], object] = once
    for watcher in reversed(watchers):
        call = partial(_watch, watcher, run, call)
    call()
    once()
    return outcomes[0]


def _watch(watcher: Watcher, run: Run, call: Callable[[], object]) -> None:
    try:
        watcher(run.job, call)
    except BaseException as error:
        if is_for_the_program(error):
            raise
        log.exception(
            "a watcher failed on job %s (%s); the job is not harmed", run.job.id, run.job.method
        )
