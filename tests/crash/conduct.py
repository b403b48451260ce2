"""The judge's rules for what is no job: processes, their logs, the store itself, outages."""

from collections.abc import Callable
from itertools import pairwise, product

from qml.work.outage import SETTLE

from .case import Case, Faults
from .history import common
from .stores import ANSWER

GRACE = 1_000_000
"""Microseconds after the server's return in which a call may still fail, on a connection that was
cut, and be logged."""

PATIENCE = int((SETTLE + 5) * 1e6)
"""Microseconds with the server there all the time after which a process has to have had an answer.
A qml server's longest pause after an outage is 7.5 s; but to claim there may be nothing until
somebody rescues, which nobody does so soon after a long outage."""

LIMIT = int(ANSWER * 1e6)
"""Microseconds after which a client that got no answer gives up."""

STILL = LIMIT // 3
"""Microseconds of these after which it is its own fault: it stood still meanwhile."""

BAD_WORDS = ("locked", "malformed", "damaged", "does not answer", "cannot be reached")


def nobody_dies_by_itself(case: Case) -> Faults:
    """A process ends only when it is killed, or told to and then in good order."""
    for number, life in case.history.lives.items():
        if life.status != (0 if life.killed is None else -9):
            yield f"life {number} ({life.role}) died by itself: status {life.status}"


def the_store_is_missed_only_while_it_is_away(case: Case) -> Faults:
    """A call fails only in an outage, or at once after it, or when its time ran out while the
    process itself stood still."""
    for number, life in case.history.lives.items():
        for miss in life.misses:
            if not case.history.may_fail(life, miss["since"], miss["at"], GRACE, STILL):
                yield f"life {number} ({life.role}): {miss['verb']} failed: {miss['error']}"


def everybody_goes_on(case: Case) -> Faults:
    """No process is without an answer for long while the server is there and it runs itself."""
    for number, life in case.history.lives.items():
        ends = [life.born, *life.answers, life.killed or life.dead or life.born]
        silences = [(since, until) for since, until in pairwise(ends) if until - since > PATIENCE]
        for silence, window in product(silences, case.history.windows()):
            stood = sum(common(silence, window, stall) for stall in life.stalls)
            deaf = common(silence, window) - stood
            if deaf > PATIENCE:
                yield f"life {number} ({life.role}) had no answer for {deaf / 1e6:.1f} s"


def nothing_bad_is_logged(case: Case) -> Faults:
    """No error; no lock, and no failed call but one that may fail. A log tells the end of a wait
    for an answer, not its begin."""
    for life in case.history.lives.values():
        for log in life.logs:
            bad = any(word in log["text"] for word in BAD_WORDS)
            since = log["at"] - LIMIT
            may = case.history.may_fail(life, since, log["at"], GRACE, STILL)
            if (bad and not may) or log["level"] in ("ERROR", "CRITICAL"):
                yield f"logged: {log['level']} {log['text']}"


def nothing_is_printed(case: Case) -> Faults:
    """No traceback of a thread, no warning of Python's."""
    for line in case.printed:
        yield f"printed: {line}"


def the_store_is_sound(case: Case) -> Faults:
    """The store finds nothing wrong with itself."""
    if case.flaw:
        yield case.flaw


def the_history_can_be(case: Case) -> Faults:
    """What processes asked of the storage and what it answered fits together: qml's own checker."""
    if case.checked is not None:
        yield from case.checked.faults


RULES: tuple[Callable[[Case], Faults], ...] = (
    nobody_dies_by_itself,
    the_store_is_missed_only_while_it_is_away,
    everybody_goes_on,
    nothing_bad_is_logged,
    nothing_is_printed,
    the_store_is_sound,
    the_history_can_be,
)
