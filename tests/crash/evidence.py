"""Gathers what there is to judge, once everybody has ended."""

from qml import Job, connect
from qml.testing import history
from qml.values.states import Failed, Succeeded

from .case import Case, Stored
from .history import History
from .ledger import read_all
from .processes import Plan
from .stores import Store


def gather(plan: Plan, store: Store, drained: float | None) -> Case:
    """The case: ledgers, the store's jobs and its own view of itself, what was printed, and what
    the checker of histories says."""
    calls = history.History(plan.history)
    with connect(plan.url) as storage:
        calls.final(storage)
        stored = {job.id: _stored(job) for job in storage.list()}
        flaw = store.flaw(storage)
    printed = plan.printed.read_text(errors="replace").splitlines() if plan.printed.exists() else ()
    return Case(
        History(read_all(plan.folder)),
        stored,
        tuple(printed),
        flaw,
        drained,
        calls.judge(),
    )


def _stored(job: Job) -> Stored:
    state = job.state
    return Stored(
        id=job.id,
        state=state.kind.value,
        fence=job.fence,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        result=state.result if isinstance(state, Succeeded) else None,
        exception=state.exception if isinstance(state, Failed) else "",
    )
