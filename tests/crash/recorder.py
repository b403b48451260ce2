"""A driver that writes down every claim, renewal and end of a claim that passes through it."""

from typing import Any

from qml.seam.rows import Change, Claim, Claimed, Hold, Move, Verdict
from qml.storage.storage import Storage
from qml.values.clock import steady_micros

from .history import STALL
from .ledger import Ledger


class Recorder:
    """Passes every verb on to ``driver``. Leases are noted in the time of the steady counter."""

    def __init__(self, driver: Any, ledger: Ledger) -> None:
        self._driver = driver
        self._ledger = ledger
        self._offset = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def learn_clock(self, storage: Storage) -> None:
        """How far the storage's clock is ahead of the steady counter, to the twentieth part of a
        millisecond."""
        while True:
            before = steady_micros()
            there = storage.clock.micros()
            if steady_micros() - before < 50:
                self._offset = there - before
                return

    def claim(self, claim: Claim) -> Claimed:
        """Note each claim after it was made: a kill in between leaves one that nobody noted."""
        began = steady_micros()
        claimed = self._driver.claim(claim)
        self._ledger.note_all(
            [
                {
                    "kind": "claim",
                    "job": row.id,
                    "fence": row.fence,
                    "version": row.version,
                    "began": began,
                    "until": claim.lease_until - self._offset,
                }
                for row in claimed.rows
            ]
        )
        self._note_stall("claim", began)
        return claimed

    def hold(self, holds: list[Hold]) -> list[Verdict]:
        """Note each renewal after it was made."""
        began = steady_micros()
        verdicts: list[Verdict] = self._driver.hold(holds)
        self._ledger.note_all(
            [
                {
                    "kind": "renewal",
                    "job": hold.id,
                    "fence": hold.fence,
                    "began": began,
                    "until": hold.until - self._offset,
                    "verdict": verdict.value,
                }
                for hold, verdict in zip(holds, verdicts, strict=True)
            ]
        )
        self._note_stall("hold", began)
        return verdicts

    def swap(self, changes: list[Change]) -> list[Verdict]:
        """Note each move before it is tried and after it was answered."""
        moves = [change for change in changes if isinstance(change, Move)]
        assert len(moves) == len(changes)
        began = steady_micros()
        self._ledger.note_all([{"kind": "ending", **_facts(move)} for move in moves])
        verdicts: list[Verdict] = self._driver.swap(changes)
        self._ledger.note_all(
            [
                {"kind": "ended", **_facts(move), "began": began, "verdict": verdict.value}
                for move, verdict in zip(moves, verdicts, strict=True)
            ]
        )
        self._note_stall("swap", began)
        return verdicts

    def _note_stall(self, verb: str, began: int) -> None:
        if steady_micros() - began > STALL:
            self._ledger.note("stall", since=began, verb=verb)


def _facts(move: Move) -> dict[str, Any]:
    return {
        "job": move.id,
        "version": move.version,
        "state": move.state,
        "rescue": move.lapsed_by is not None,
    }
