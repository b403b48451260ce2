"""A Hypothesis state machine of several servers in one thread.

To prove that servers keep their promises on a storage of your own::

    from qml.testing import Simulation


    def test_servers_on_my_storage():
        Simulation.run(lambda clock: MyStorage(clock=clock))
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ..machine import usual_settings
from ..making import MakeStorage
from ..quiet import quiet
from . import choices
from .findings import findings
from .settling import settle
from .steps import Step
from .tally import Tally
from .world import Chance, World


class Rules(RuleBasedStateMachine):
    """What all rules need: the world, its beginning and its end."""

    def __init__(self, make_storage: MakeStorage, servers: int, tally: Tally) -> None:
        super().__init__()
        self._make = partial(World, make_storage, servers, tally)

    @initialize(chance=st.randoms(use_true_random=False))
    def begin(self, chance: Chance) -> None:
        """Jobs are there."""
        self.world = self._make(chance)
        self._take(choices.enqueue)

    def _take(self, *plan: Callable[[World], Step]) -> None:
        with findings(self.world):
            self.world.follow(plan)
            self.world.store.check_indexes()

    def teardown(self) -> None:
        """Let everything come to an end, unless it has gone wrong already."""
        if not hasattr(self, "world"):  # not even the store could be made
            return
        try:
            if sys.exc_info()[0] is None:
                with findings(self.world):
                    settle(self.world)
                self.world.tally.examples += 1
        finally:
            self.world.storage.close()


class ClientRules(Rules):
    """What is asked from outside, and time."""

    @rule()
    def enqueue(self) -> None:
        """A client stores jobs."""
        self._take(choices.enqueue)

    @rule()
    def ask(self) -> None:
        """A client cancels, retries, deletes, updates."""
        self._take(choices.ask)

    @rule()
    def replace(self) -> None:
        """A job is deleted, and another enqueued under its id."""
        self._take(choices.delete, choices.enqueue_same)

    @rule()
    def cancel_many(self) -> None:
        """A client cancels what a filter names."""
        self._take(choices.ask_of_many)

    @rule()
    def change_schedule(self) -> None:
        """A client adds, pauses, resumes, triggers, removes a schedule."""
        self._take(choices.change_schedule)

    @rule()
    def crowd(self) -> None:
        """Jobs under one limit, and claims for more of them than may start."""
        self._take(choices.crowd, choices.claim, choices.claim)

    @rule()
    def share(self) -> None:
        """A client pauses a queue or closes a batch, or takes that back."""
        self._take(choices.share)

    @rule()
    def wait(self) -> None:
        """Time passes."""
        self._take(choices.wait)

    @rule()
    def a_moment(self) -> None:
        """Nothing happens. The first rule by its name, so that Hypothesis takes it for the
        simplest, and what it cannot leave out becomes nothing."""

    @rule()
    def anything(self) -> None:
        """Whatever may overtake others."""
        with findings(self.world):
            self.world.take_any()

    @rule()
    def rest(self) -> None:
        """Faults stop for a while, sometimes, and everything comes to an end."""
        if self.world.pick((True, False, False, False)):
            with findings(self.world):
                settle(self.world)


class ServerRules(Rules):
    """What servers do."""

    @rule()
    def claim(self) -> None:
        """A server claims."""
        self._take(choices.claim)

    @rule()
    def run_task(self) -> None:
        """A server runs a task."""
        self._take(choices.run)

    @rule()
    def record(self) -> None:
        """A server records outcomes."""
        self._take(choices.record)

    @rule()
    def work(self) -> None:
        """A job on its way."""
        self._take(choices.claim, choices.run, choices.record)

    @rule()
    def keep(self) -> None:
        """A server looks after its claims."""
        self._take(choices.keep)

    @rule()
    def tidy(self) -> None:
        """A server looks after its clock and the store."""
        self._take(choices.tidy)

    @rule()
    def issue(self) -> None:
        """Time passes, and a server issues what recurring jobs are due."""
        self._take(choices.wait, choices.issue)

    @rule()
    def rescue(self) -> None:
        """Leases lapse, and a server takes the orphans."""
        self._take(choices.lapse, choices.rescue)

    @rule()
    def leave(self) -> None:
        """A server hands back, stops, dies, or sleeps."""
        self._take(choices.leave)


class Simulation(ClientRules, ServerRules):
    """Several real servers and clients on one store, stepped in one thread under one clock.

    At every driver call Hypothesis may fail it, lose its reply, kill the process, pause it, let
    its machine sleep, or let somebody else take a whole step first. After every call the laws of
    ``qml.testing.laws`` are checked; after every step counters and indexes are made anew from the
    rows and compared. In the end faults stop, and every job has to come to an end.
    """

    @classmethod
    def run(
        cls,
        make_storage: MakeStorage,
        *,
        servers: int = 2,
        settings: settings | None = None,
    ) -> Tally:
        """Run the simulation as a test, and say what was tried.

        ``make_storage(clock)`` returns a fresh, empty storage that lives by the clock. What is
        found is an AssertionError, with the shortest story that leads to it as a note.
        """
        tally = Tally()
        machine = partial(cls, make_storage, servers, tally)
        with quiet():
            # Any factory will do, a class or not, as its documentation says and its types do not.
            run_state_machine_as_test(
                cast(Any, machine), settings=_one_finding(settings or usual_settings())
            )
        return tally


def _one_finding(given: settings) -> settings:
    """One law broken is often found in several places; one story is enough."""
    return settings(given, report_multiple_bugs=False)
