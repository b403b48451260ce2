"""Runs a task that takes ``tx``: its writes and the job's success are committed in one step."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..seam.transactions import Transaction
from ..storage.storage import Storage
from ..values.errors import ConfigurationError
from ..values.job import Job
from ..values.retry import RetryPolicy
from . import executor
from .executor import Committed, Outcome, Raised, Runnable, Snoozed, Succeeded, describe
from .runs import Run
from .tx import Place, Tx
from .verdicts import next_state

Execute = Callable[[Run, Mapping[str, Runnable], int], Outcome]


def execute(
    run: Run, tasks: Mapping[str, Runnable], storage: Storage, inner: Execute = executor.execute
) -> Outcome:
    """What comes of a run, by ``inner``. Of a task that takes ``tx`` and has used it, the success
    is ``Committed``; whatever else came of it, the transaction is rolled back."""
    task = tasks.get(run.job.method)
    place: Place | None = getattr(task, "tx", None)
    if task is None or place is None:
        return inner(run, tasks, storage.max_job_bytes)
    tx = Tx(run, storage)
    try:
        outcome = inner(run, {run.job.method: _WithTx(task, place, tx)}, storage.max_job_bytes)
        transaction = tx.taken()
        if transaction is None or not isinstance(outcome, Succeeded):
            return outcome
        return _commit(run, transaction, outcome, storage)
    finally:
        tx.end()


def _commit(run: Run, transaction: Transaction, outcome: Succeeded, storage: Storage) -> Outcome:
    if run.lost or run.cancelled or run.overdue:
        return Snoozed(0.0)  # back to the store, uncharged, if it is still ours to give back
    run.ending = True
    state, _ = next_state(run.job, outcome, RetryPolicy(), storage.now())
    notes = run.notes.take() if run.has_news else None
    try:
        answer = storage.finish_in(transaction, run.job, state, notes)
    except ConfigurationError as error:
        # Final: what the task has committed itself, it would commit again.
        return Raised(describe(error), "", final=True)
    except Exception as error:
        # Should it have been committed after all, this will be refused.
        return Raised(f"the transaction of tx could not be committed: {describe(error)}", "")
    if isinstance(answer, Job) and notes is not None:
        run.notes.written()
    return Committed(answer)


class _WithTx:
    """A task that is given its ``tx``."""

    def __init__(self, task: Runnable, place: Place, tx: Tx) -> None:
        self.retry = task.retry
        self.middleware = task.middleware
        self.fate = task.fate
        self._call = partial(place.call, task.function)
        self._tx = tx

    def function(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the task."""
        __tracebackhide__ = True
        return self._call(args, kwargs, self._tx)
