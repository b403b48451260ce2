"""Claims: the best rows that nothing keeps back, in one round trip where nothing may."""

import random
import time
from typing import NamedTuple

from ...seam.rows import Claim, Claimed, as_row
from . import arrays, lanes
from .connections import Call, Connections
from .session import Rows
from .statements import LANES, LOCKS, RIPENING

PATIENCE = 0.5
"""Seconds that a claim tries again for which there are rows, all in others' hands at the moment."""

PAUSE, LONGEST_PAUSE = 0.002, 0.02
"""Seconds between two tries, at most, at first and later on: a claim of others takes 1 ms."""


class Answer(NamedTuple):
    """What was claimed; whether something may keep rows back; and whether nothing was claimed,
    though there are rows."""

    claimed: Claimed
    limited: bool
    contended: bool


def claim(connections: Connections, claim: Claim) -> Claimed:
    """Take the best rows. Flushed, unlike SQLite's: a power loss there takes all claimers with it,
    but here the server may crash alone, and the fence of a claim that it forgot would be given a
    second time while the first claimer goes on. Not patient: a lost claim lapses by itself."""
    values = {
        **claim._asdict(),
        "most": claim.limit + claim.ahead,
        "queues": None if claim.queues is None else arrays.literal(dict.fromkeys(claim.queues)),
        "ripened": False,
        "careful": False,
        "space": LOCKS,
        "lock": connections.sql.lock(RIPENING),
        "lanes_lock": connections.sql.lock(LANES),
    }
    patient_until, pause = time.monotonic() + PATIENCE, PAUSE
    while True:
        claimed, connections.limited, contended = connections.write(
            lambda call: _take(call, claim, values, connections.limited), patient=False
        )
        if not contended or claim.limit == 0 or time.monotonic() > patient_until:
            return claimed
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, LONGEST_PAUSE)


def _take(call: Call, claim: Claim, values: dict[str, object], limited: bool) -> Answer:
    """By what the last claim has found, it is looked first whether something keeps rows back."""
    if call.again:
        found = call.run(call.sql["claimed_before"], values)
        if found:
            return _answer(found)._replace(limited=limited)
    ripened = False
    if not limited:
        found, ripened = _plain(call, values, claim.queues is not None)
        if not found[0][1]:
            return _answer(found)
    found, limited = lanes.take(call, claim, values, ripened=ripened)
    return _answer(found)._replace(limited=limited)


def _plain(call: Call, values: dict[str, object], some: bool) -> tuple[Rows, bool]:
    """What the claim brings, made again after a look at what has fallen due, if anything has; and
    whether that was."""
    of = "_queues" if some else ""
    found = call.carry_out("claim" + of, values)
    next_due, limited = found[0][:2]
    if limited or next_due is None or next_due > values["now"]:
        return found, False
    ripened = values | {"ripened": True}
    return call.run(call.sql["ripen" + of] + call.sql["claim" + of], ripened), True


def _answer(found: Rows) -> Answer:
    next_due, limited, contended = found[0][:3]
    rows = [as_row(values) for _, _, _, *values in found if values[0] is not None]
    return Answer(Claimed(rows, next_due), limited, contended)
