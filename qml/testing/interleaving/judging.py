"""The judge: a schedule is right if some order of its operations, one after the other, gives it.

That is linearizability (Herlihy and Wing 1990) for two or three operations, with ``StorageModel``
as the sequential object: all orders are tried. An operation whose last driver call came before
another's first comes before it in the order too.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import attrs

from ...values.retry import RetryPolicy
from ..compare import difference
from . import invariants
from .allowances import allowed, instead
from .parts import disturbed
from .trials import Case, Ending, Run, in_order
from .turns import Call

Order = tuple[int, ...]
Part = tuple[int, int]  # a hand, and which part of what it does

AFTERWARDS = (
    *("records", "counts", "available", "kept", "key_holder", "schedules", "batch", "paused"),
    *("renewed", "following"),
)
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
        for order in orders(run):
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


def orders(run: Run) -> Iterator[Order]:
    """The orders that the schedule leaves open. A claim that others came into is there in parts."""
    spans = _spans(run.calls)
    for hand in disturbed(run.case.operations, run.calls):
        first, *ends, last = spans[hand, 0]
        spans |= {(hand, 0): [first], (hand, 1): ends, (hand, 2): [last]}
    parts = sorted({(hand, 0) for hand in range(len(run.case.operations))} | spans.keys())
    for order in permutations(parts):
        if not any(_precedes(spans, later, sooner) for sooner, later in combinations(order, 2)):
            yield tuple(hand for hand, _ in order)


def _spans(calls: Sequence[Call]) -> dict[Part, list[int]]:
    """When each hand made its calls."""
    spans: dict[Part, list[int]] = {}
    for at, call in enumerate(calls):
        spans.setdefault((call.hand, 0), []).append(at)
    return spans


def _precedes(spans: dict[Part, list[int]], one: Part, other: Part) -> bool:
    return one in spans and other in spans and spans[one][-1] < spans[other][0]


def _difference(run: Run, expected: Ending) -> str | None:
    found = run.ending
    for hand, name in enumerate(run.case.operations):
        wanted = expected.answers[hand]
        if text := difference(wanted, allowed(run, hand, wanted)):
            return f"the answer to {name}: {text}"
    for name in AFTERWARDS:
        if text := difference(getattr(expected, name), getattr(found, name)):
            return f"{name.replace('_', ' ')} afterwards: {text}"
    return None
