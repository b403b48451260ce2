"""Claims: ripen what has fallen due and take the best rows, in one round trip."""

import random
import time

from ...seam.rows import Claim, Claimed, Row
from . import arrays
from .connections import Call, Connections
from .session import Rows
from .statements import LOCKS, RIPENING

PATIENCE = 0.5
"""Seconds that a claim tries again for which there are rows, all in others' hands at the moment."""

PAUSE, LONGEST_PAUSE = 0.002, 0.02
"""Seconds between two tries, at most, at first and later on: a claim of others takes 1 ms."""


def claim(connections: Connections, claim: Claim) -> Claimed:
    """Take the best rows. Flushed, unlike SQLite's: a power loss there takes all claimers with it,
    but here the server may crash alone, and the fence of a claim that it forgot would be given a
    second time while the first claimer goes on. Not patient: a lost claim lapses by itself."""
    values = {
        **claim._asdict(),
        "most": claim.limit + claim.ahead,
        "queues": None if claim.queues is None else arrays.literal(dict.fromkeys(claim.queues)),
        "space": LOCKS,
        "lock": connections.sql.lock(RIPENING),
    }
    patient_until, pause = time.monotonic() + PATIENCE, PAUSE
    while True:
        claimed, contended = connections.write(
            lambda call: _take(call, claim, values), patient=False
        )
        if not contended or time.monotonic() > patient_until:
            return claimed
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, LONGEST_PAUSE)


def _take(call: Call, claim: Claim, values: dict[str, object]) -> tuple[Claimed, bool]:
    """What was claimed; and whether nothing was, though there are rows."""
    if call.again:
        found = call.run(call.sql["claimed_before"], values)
        if found:
            return _claimed(found), False
    of = "" if claim.queues is None else "_queues"
    found = call.run(call.sql["ripen" + of] + call.sql["claim" + of], values)
    return _claimed(found), found[0][1] and claim.limit > 0


def _claimed(found: Rows) -> Claimed:
    rows = [Row._make(values) for _, _, *values in found if values[0] is not None]
    return Claimed(rows, found[0][0])
