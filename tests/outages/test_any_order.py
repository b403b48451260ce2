"""Any operations in any order, the line cut at any request: the oracle's machine finds no fault."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from qml import Job
from qml.drivers.redis import connections
from qml.storage.storage import Storage
from qml.testing.caller_steps import CallerSteps
from qml.testing.claim_steps import ClaimSteps
from qml.testing.compare import difference
from qml.testing.steps import _side, answer, differs, usual_settings
from qml.testing.time_steps import TimeSteps

from .twins import Cut, is_unavailable

REMOVALS = {"purge", "delete"}
"""What is gone carries no mark: after a cut Postgres cannot tell who removed it."""

WHEN = st.sampled_from(["before", "after"])


class CutMachine(CallerSteps, ClaimSteps, TimeSteps):
    """`StorageMachine`, as far as its steps are single ones of the driver, on a storage whose line
    is cut now and then. ``calm``: the same store by a line that nobody cuts."""

    calm: Storage
    _made = 0

    @initialize(every=st.integers(0, 4), when=WHEN)
    def begin_to_cut(self, every: int, when: str) -> None:
        """From the first step on."""
        self.cut_often(every, when)

    @rule(every=st.integers(0, 4), when=WHEN)
    def cut_often(self, every: int, when: str) -> None:
        """At every so-manieth request, be it a change or a look."""
        self.storage.driver.cut_often(every, when)

    @rule(moment=st.integers(0, 2), when=WHEN)
    def cut_for_good(self, moment: int, when: str) -> None:
        """At a request to come, and the call ends before the server can be reached again."""
        self.storage.driver.cut(moment, when, away=True)

    def _job(self, job_id: str, fields: Mapping[str, Any]) -> Job:
        """Each made at a moment of its own: of the very same job Postgres says, after a lost reply,
        that it is stored, also when another call had stored it."""
        self._made += 1
        job = super()._job(job_id, fields)
        return attrs.evolve(job, created_at=job.created_at + timedelta(microseconds=self._made))

    def _given(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Without a claim that comes upon what has expired, which is more than one step."""
        return super()._given({**fields, "expires_in": None})

    def _both(self, verb: str, *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        """Without ``delete_many``: it cancels first, and a cut in between leaves that. And without
        ``end_claims``: a look, and a step for each job."""
        if verb == "end_claims":
            return 0, 0
        single = "cancel_many" if verb == "delete_many" else verb
        return super()._both(single, *arguments, **keywords)

    def _ask(self, verb: str, *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        """As in `Twins.ask`: the oracle follows what was carried out without an answer."""
        line = self.storage.driver
        cuts = line.cuts
        unanswered = 0
        while is_unavailable(
            found := answer(self.storage, verb, *_side(arguments, "stored"), **keywords)
        ):
            unanswered += 1
            assert unanswered < 100, f"the line is mended, and nobody answers: {found}"
            line.mend()
            if unanswered > 1:  # who has met an outage asks once, and would be cut at every request
                line.cut_often(0, "before")
            if difference(self.oracle.list(), self.calm.list()):
                answer(self.oracle, verb, *_side(arguments, "oracle"), **keywords)
        expected = answer(self.oracle, verb, *_side(arguments, "oracle"), **keywords)
        if verb not in REMOVALS or line.cuts == cuts:
            text = differs(verb, expected, found)
            assert text is None, f"{verb}: {text}"
        return expected, found


@pytest.mark.timeout(3600)
def test_any_order_of_calls_and_cuts(store, proxy, led, monkeypatch):
    monkeypatch.setattr(connections, "PAUSE", 0.001)  # of Redis, after a lost reply

    def make(clock, **options):
        storage = store.open(led, clock=clock, patience=0.5, **options)
        store.clear()
        storage.driver = Cut(storage.driver, proxy)
        return storage

    count = max(1, int(settings.default.max_examples * 0.02))
    with store.open() as CutMachine.calm:
        CutMachine.run(make, settings=usual_settings(max_examples=count, stateful_step_count=30))
