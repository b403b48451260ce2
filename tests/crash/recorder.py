"""A driver that writes down every claim, renewal and end of a claim that passes through it.

It also notes each call that the store did not answer, and each that took long.
"""

from functools import partial
from typing import Any

from qml.seam.rows import Change, Claim, Claimed, Hold, Move, Verdict
from qml.values.clock import Clock, steady_micros
from qml.values.errors import StorageUnavailable

from .history import STALL
from .ledger import Ledger


class Recorder:
    """Passes every verb on to ``driver``. Leases are noted in the time of the steady counter, not
    in that of the storage's ``clock``."""

    def __init__(self, driver: Any, clock: Clock, ledger: Ledger) -> None:
        self._driver = driver
        self._clock = clock
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, name)

    def claim(self, claim: Claim) -> Claimed:
        """Note each claim after it was made: a kill in between leaves one that nobody noted."""
        began, ahead = steady_micros(), self._ahead()
        claimed: Claimed = self._call("claim", claim)
        self._ledger.note_all(
            [
                {
                    "kind": "claim",
                    "job": row.id,
                    "fence": row.fence,
                    "version": row.version,
                    "began": began,
                    "until": claim.lease_until - ahead,
                }
                for row in claimed.rows
            ]
        )
        return claimed

    def hold(self, holds: list[Hold]) -> list[Verdict]:
        """Note each renewal after it was made."""
        began, ahead = steady_micros(), self._ahead()
        verdicts: list[Verdict] = self._call("hold", holds)
        self._ledger.note_all(
            [
                {
                    "kind": "renewal",
                    "job": hold.id,
                    "fence": hold.fence,
                    "began": began,
                    "until": hold.until - ahead,
                    "verdict": verdict.value,
                }
                for hold, verdict in zip(holds, verdicts, strict=True)
            ]
        )
        return verdicts

    def swap(self, changes: list[Change]) -> list[Verdict]:
        """Note each move before it is tried and after it was answered."""
        moves = [change for change in changes if isinstance(change, Move)]
        assert len(moves) == len(changes)
        began = steady_micros()
        facts = [{**_facts(move), "began": began} for move in moves]
        self._ledger.note_all([{"kind": "ending", **fact} for fact in facts])
        verdicts: list[Verdict] = self._call("swap", changes)
        self._ledger.note_all(
            [
                {"kind": "ended", **fact, "verdict": verdict.value}
                for fact, verdict in zip(facts, verdicts, strict=True)
            ]
        )
        return verdicts

    def let_go(
        self, job: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """Note which claim's lease is to end, before it is tried: a kill in between leaves one that
        may have ended."""
        if claim is not None:
            self._ledger.note("burial", job=job, fence=claim[1])
        verdict: Verdict = self._call("let_go", job, worker, now, claim)
        return verdict

    def _call(self, verb: str, *given: Any) -> Any:
        began = steady_micros()
        try:
            return getattr(self._driver, verb)(*given)
        except StorageUnavailable as error:
            self._ledger.note("miss", since=began, verb=verb, error=str(error))
            raise
        finally:
            if verb != "wait" and steady_micros() - began > STALL:
                self._ledger.note("stall", since=began, verb=verb)

    def _ahead(self) -> int:
        """How far the storage's clock is ahead of the steady counter, to the twentieth part of a
        millisecond. It is set anew at each heartbeat."""
        while True:
            before = steady_micros()
            there = self._clock.micros()
            if steady_micros() - before < 50:
                return there - before


def _facts(move: Move) -> dict[str, Any]:
    return {
        "job": move.id,
        "version": move.version,
        "state": move.state,
        "rescue": move.lapsed_by is not None,
    }
