"""What may happen to one job: from its state, by an operation, to the states it may be in then.

A sequential specification, as pure functions; it shares no code with storages or drivers. Whether
a job was the best to be claimed is no question about one job, and is not asked here.
"""

from collections.abc import Callable

from . import changing, working
from .operation import DONE, UNKNOWN, Operation
from .state import Next, State

Rule = Callable[[State, Operation], Next]

RULES: dict[tuple[str, str], Rule] = {
    ("enqueue", DONE): changing.enqueued,
    ("enqueue", UNKNOWN): changing.perhaps_enqueued,
    ("enqueue", "exists"): changing.present,
    ("read", DONE): changing.read,
    ("read", "absent"): changing.absent,
    ("final", DONE): changing.read,
    ("final", "absent"): changing.absent,
    ("claim", DONE): working.claimed,
    ("claim", UNKNOWN): working.perhaps_claimed,
    ("finish", DONE): working.ended,
    ("finish", "lost"): working.refused_to_end,
    ("finish", "undone"): working.undone,
    ("finish", UNKNOWN): working.perhaps_ended,
    ("release", DONE): working.ended,
    ("release", "lost"): working.refused_to_end,
    ("release", UNKNOWN): working.perhaps_ended,
    ("renew", DONE): working.renewed,
    ("renew", "lost"): working.refused_to_renew,
    ("renew", UNKNOWN): working.perhaps_renewed,
    ("lock", DONE): working.locked,
    ("lock", "refused"): working.refused_lock,
    ("lock", UNKNOWN): working.perhaps_locked,
    ("unlock", DONE): working.unlocked,
    ("unlock", "refused"): working.refused_unlock,
    ("unlock", UNKNOWN): working.perhaps_unlocked,
    ("end_claims", UNKNOWN): working.perhaps_let_go,
    ("rescue", DONE): working.rescued,
    ("rescue", UNKNOWN): working.perhaps_rescued,
    ("cancel", DONE): changing.cancelled,
    ("cancel", "invalid"): changing.refused_to_cancel,
    ("cancel", "absent"): changing.absent,
    ("cancel", UNKNOWN): changing.perhaps_cancelled,
    ("cancel_many", UNKNOWN): changing.perhaps_cancelled,
    ("expire", DONE): changing.expired,
    ("expire", UNKNOWN): changing.perhaps_expired,
    ("retry", DONE): changing.retried,
    ("retry", "invalid"): changing.refused_to_retry,
    ("retry", "absent"): changing.absent,
    ("retry", "taken"): changing.without_its_key,
    ("retry", UNKNOWN): changing.perhaps_retried,
    ("retry_many", UNKNOWN): changing.perhaps_retried,
    ("update", DONE): changing.updated,
    ("update", "stale"): changing.refused_update,
    ("update", "absent"): changing.absent,
    ("update", UNKNOWN): changing.perhaps_updated,
    ("replace", DONE): changing.replaced,
    ("replace", UNKNOWN): changing.perhaps_replaced,
    ("delete", DONE): changing.removed,
    ("delete", "absent"): changing.absent,
    ("delete", UNKNOWN): changing.perhaps_removed,
    ("purge", UNKNOWN): changing.perhaps_purged,
}
"""The rule for an operation, by what it asked for and how it was answered. That of an unknown one
says what its effect would be; that it had none is always possible."""


def step(state: State, operation: Operation) -> Next:
    """The states that the job may be in after the operation; a text says why there is none."""
    rule = RULES[operation.verb, operation.answer]
    found = rule(state, operation)
    if not (state.asleep and state.is_waiting):
        return found
    woken = rule(state.woken(), operation)  # by an end of others, at any time
    after = [one for some in (found, woken) if not isinstance(some, str) for one in some]
    return after or found
