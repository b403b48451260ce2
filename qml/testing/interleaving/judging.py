"""The judge: a schedule is right if some order of its operations, one after the other, gives it.

That is linearizability (Herlihy and Wing 1990) for two or three operations, with ``StorageModel``
as the sequential object: all orders are tried. An operation whose last driver call came before
another's first comes before it in the order too.
"""

from collections.abc import Iterator
from itertools import permutations

import attrs

from ...values.retry import RetryPolicy
from ..compare import difference
from . import invariants
from .allowances import allowed, instead
from .trials import Case, Ending, Run, in_order

Order = tuple[int, ...]

AFTERWARDS = ("records", "counts", "available", "kept", "key_holder", "renewed")
"""Of an ending: what shows of the storage once all hands have their answers."""


@attrs.frozen
class Mismatch:
    """An order, what the oracle gives for it, and how the run differs."""

    order: Order
    ending: Ending
    text: str


@attrs.frozen
class Fault:
    """Why a run is wrong: no order gives it, or it breaks a law."""

    run: Run
    law: str | None
    mismatches: list[Mismatch]


class Judge:
    """Judges the runs of one case; what the oracle gives for an order is asked once."""

    def __init__(self, case: Case, retry: RetryPolicy | None) -> None:
        self._case, self._retry = case, retry
        self._endings: dict[tuple[Order, Order], Ending] = {}

    def fault(self, run: Run) -> Fault | None:
        """What is wrong with the run; None when nothing is."""
        mismatches = []
        for order in _orders(run):
            for acts in instead(run.case.operations, run.calls):
                key = order, tuple(acts)
                if key not in self._endings:
                    self._endings[key] = in_order(self._case, order, acts, self._retry)
                ending = self._endings[key]
                text = _difference(run, ending)
                if text is None:
                    law = invariants.broken(run)
                    return Fault(run, law, []) if law else None
                if not acts:
                    mismatches.append(Mismatch(order, ending, text))
        return Fault(run, invariants.broken(run), mismatches)


def _orders(run: Run) -> Iterator[Order]:
    """The orders that the schedule leaves open."""
    spans: dict[int, list[int]] = {}
    for at, call in enumerate(run.calls):
        spans.setdefault(call.hand, []).append(at)
    for order in permutations(range(len(run.case.operations))):
        pairs = [(order[i], order[j]) for i in range(len(order)) for j in range(i + 1, len(order))]
        if not any(_precedes(spans, later, sooner) for sooner, later in pairs):
            yield order


def _precedes(spans: dict[int, list[int]], one: int, other: int) -> bool:
    return one in spans and other in spans and spans[one][-1] < spans[other][0]


def _difference(run: Run, expected: Ending) -> str | None:
    found = run.ending
    for hand, name in enumerate(run.case.operations):
        wanted = expected.answers[hand]
        answer = allowed(name, hand, wanted, found.answers[hand], run.calls)
        if text := difference(wanted, answer):
            return f"the answer to {name}: {text}"
    for name in AFTERWARDS:
        if text := difference(getattr(expected, name), getattr(found, name)):
            return f"{name.replace('_', ' ')} afterwards: {text}"
    return None
