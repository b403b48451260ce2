"""One job in the eyes of the checker: what is known of it between two operations."""

from typing import Any, NamedTuple

from ...values.states import WAITING
from .facts import Facts
from .operation import NEVER, Operation

ABSENT = "absent"

PROCESSING, DELETED, FAILED, ENQUEUED = "processing", "deleted", "failed", "enqueued"


class State(NamedTuple):
    """A job, or its absence. None where nobody has told it yet: it fits whatever is told.

    ``worker``: who claimed it last; ``locker``: who locked it since; ``held``: the earliest and
    the latest moment at which their lease ends; ``due``: from when it may be claimed; ``since``:
    the earliest moment at which it came into its state; ``ahead``: the claim may have been made
    ahead of a free thread; ``waits``: it was to start after others; ``asleep``: it waits for them
    still; ``limited``: a claim of it needs a permit.
    """

    kind: str = ABSENT
    version: int = 0
    attempt: int = 0
    fence: int = 0
    max_attempts: int | None = None
    seq: int | None = None
    worker: str | None = None
    locker: str | None = None
    held: tuple[int, int] | None = None
    due: int = NEVER
    since: int = 0
    outcome: str | None = None
    ahead: bool = False
    waits: bool = False
    asleep: bool = False
    limited: bool = False

    @property
    def holder(self) -> str | None:
        """Who holds it while the lease lasts."""
        return self.locker or self.worker

    @property
    def is_waiting(self) -> bool:
        """Whether a claim may take it once it is due."""
        return self.kind in WAITING

    def woken(self) -> "State":
        """The same once what it waits for has ended, which changes its record."""
        return self._replace(version=self.version + 1, asleep=False, due=0)

    def lease_lasts(self, now: int, latest: int) -> bool:
        """Whether its lease has not ended by ``now``, for sure. Under a permit another claim, which
        finds it lapsed, puts its end back: then what counts is ``latest``, the end of the call."""
        return self.held is not None and self.held[0] > (latest if self.limited else now)


Next = list[State] | str
"""What a job may be after an operation; a text says why the operation cannot have been."""


def same_claim(state: State, operation: Operation) -> bool:
    """Whether the operation acts for the job's last claim."""
    return (
        state.worker == operation.worker
        and state.fence == operation.fence
        and (state.seq is None or operation.seq is None or state.seq == operation.seq)
    )


def holds(state: State, operation: Operation) -> bool:
    """Whether the operation acts for the claim that runs the job."""
    return state.kind == PROCESSING and same_claim(state, operation)


def attempts_used_up(state: State) -> bool:
    """Whether the job may not be tried again, as far as that is known."""
    return state.max_attempts is not None and state.attempt >= state.max_attempts


_EXACT = ("kind", "version", "fence", "attempt")
_OPEN = ("seq", "max_attempts", "outcome")


def agreed(expected: State, told: Facts | None) -> Next:
    """The state that was expected, if the reply shows it, with what only the reply knows."""
    if told is None:
        return [expected]
    for name in _EXACT:
        if getattr(told, name) != getattr(expected, name):
            return _differs(name, getattr(expected, name), getattr(told, name))
    if expected.kind == PROCESSING and told.worker != expected.worker:
        return _differs("worker", expected.worker, told.worker)
    learnt: dict[str, Any] = {"limited": is_limited(told)}
    for name in _OPEN:
        known, said = getattr(expected, name), getattr(told, name)
        if known is None:
            learnt[name] = said
        elif said is not None and said != known:
            return _differs(name, known, said)
    return [expected._replace(**learnt)]


def is_limited(facts: Facts) -> bool:
    """Whether a claim of the job needs a permit."""
    return facts.ties is not None and facts.ties.key is not None


def _differs(name: str, expected: object, told: object) -> str:
    return f"its {_WORDS.get(name, name)} has to be {expected}, and the reply shows {told}"


_WORDS = {"kind": "state", "max_attempts": "number of attempts"}
