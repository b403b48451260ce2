"""Guarded changes of rows: swap, hold, let go."""

from collections.abc import Sequence
from functools import partial

from psycopg2.errors import UniqueViolation

from ...seam import lanes
from ...seam.rows import Change, Hold, Move, Rewrite, Row, Verdict
from . import arrays
from .connections import Call, Connections
from .session import Rows
from .statements import LANES, LOCKS

MOVE = Move._fields[:-1]  # without "then"
REWRITE = (*Row._fields[1:], "seq", "expected", "keeps_lease")
TURN, ASKS = "turn", "asks"


def swap(connections: Connections, changes: Sequence[Change]) -> list[Verdict]:
    """Carry out guarded changes, each for itself: as one batch, unless the order given matters."""
    if _is_batch(changes):
        verdicts = connections.write(lambda call: _together(call, changes))
        if verdicts:
            return verdicts
    return [connections.write(partial(_alone, change)) for change in changes]


def _is_batch(changes: Sequence[Change]) -> bool:
    """Whether one statement can carry all of it out: changes of one kind, of a row each."""
    kinds = {type(change) for change in changes}
    return len(kinds) == 1 and len({_id(change) for change in changes}) == len(changes)


def _id(change: Change) -> str:
    return change.id if isinstance(change, Move) else change.row.id


def _together(call: Call, changes: Sequence[Change]) -> list[Verdict]:
    """The verdicts; none, and nothing is changed, when a key is in the way: then only one by one
    tells whose."""
    try:
        verdicts = _run(call, changes, alone=len(changes) == 1)
    except UniqueViolation:
        return []
    return [] if TURN in verdicts else [*map(Verdict, verdicts)]


def _alone(change: Change, call: Call) -> Verdict:
    try:
        [verdict] = _run(call, [change], alone=True)
    except UniqueViolation:
        return Verdict.TAKEN
    return Verdict(verdict)


def _run(call: Call, changes: Sequence[Change], *, alone: bool) -> list[str]:
    moves = [change for change in changes if isinstance(change, Move)]
    if not moves:
        rows = [_rewritten(change) for change in changes if isinstance(change, Rewrite)]
        statement, values = "rewrite", arrays.columns(REWRITE, rows)
    else:
        statement, values = "move", arrays.columns(MOVE, (move[:-1] for move in moves))
        if any(move.then for move in moves):
            statement = "move_then"
            values["then"] = arrays.literal(arrays.as_json(move.then) for move in moves)
    found = call.carry_out(statement, {**values, "alone": alone})
    return [verdict for (verdict,) in found]


def _rewritten(change: Rewrite) -> tuple[object, ...]:
    payload = None if change.keeps_payload else change.row.payload
    kept = (payload, None)  # and the notes in any case
    return (*change.row[1:-2], *kept, change.seq, change.version, change.keeps_lease)


def hold(connections: Connections, holds: Sequence[Hold]) -> list[Verdict]:
    """Extend leases or take locks, each for itself. Not patient: they lapse by themselves."""
    if len({order.id for order in holds}) != len(holds):
        return [verdict for order in holds for verdict in hold(connections, [order])]
    if not holds:
        return []
    found = connections.write(lambda call: _hold(call, holds), patient=False)
    return [
        connections.write(partial(_permitted, order), patient=False)
        if verdict == ASKS
        else Verdict(verdict)
        for order, (verdict, *_) in zip(holds, found, strict=True)
    ]


def _hold(call: Call, holds: Sequence[Hold], *, permitted: bool = False) -> Rows:
    values = arrays.columns(Hold._fields, holds)
    return call.carry_out("hold", {**values, "permitted": permitted})


def _permitted(order: Hold, call: Call) -> Verdict:
    """Have a lapsed claim live again, if it can have a permit, which the others that lapsed under
    it have no more. No claim counts permits meanwhile, and each statement sees what was done
    before."""
    with call.transaction():
        locks = {"space": LOCKS, "lanes_lock": call.sql.lock(LANES)}
        call.run(call.sql["lock_lanes"], locks)
        [(verdict, permit, lane)] = _hold(call, [order])
        if verdict == ASKS:
            permits = lanes.decode(lane).permits
            taken = arrays.literal([permit])
            asked = {"now": order.now, "day": lanes.LAPSED_FOR_GOOD, "permits": taken}
            [(live,)] = call.run(call.sql["live"], asked)
            if permits is not None and live >= permits:
                return Verdict.STALE
            [(verdict, *_)] = _hold(call, [order], permitted=True)
            if order.until > order.now:
                call.run(call.sql["put_back"], asked)
    return Verdict(verdict)


def let_go(
    call: Call, job_id: str, worker: str, now: int, claim: tuple[int, int] | None
) -> Verdict:
    """End what a worker, or one claim of it, holds."""
    seq, fence = claim or (None, None)
    hand = {"id": job_id, "worker": worker, "now": now, "seq": seq, "fence": fence}
    found = call.run(call.sql["let_go"], hand)
    if not found:
        return Verdict.GONE
    return Verdict.DONE if found[0][0] else Verdict.STALE
