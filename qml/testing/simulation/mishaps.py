"""What may befall a call to the store, before its effect or after it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...values.errors import StorageUnavailable
from .parties import Died, Party

if TYPE_CHECKING:
    from .world import World

KINDS = ("fails", "is overtaken", "stands still", "sleeps", "dies")
"""The store does not answer; somebody else takes a whole step first; the process is paused; its
machine sleeps; it is killed."""

SECONDS = (1.0, 10.0, 31.0, 61.0)

DEEPEST = 3
"""Steps within steps within steps."""


class Mishaps:
    """Decides at each call what befalls it. ``kinds``: those that happen in this life; ``rare``:
    how many times as likely as each of them it is that nothing happens."""

    def __init__(self, world: "World", kinds: Sequence[str], rare: int) -> None:
        self._world = world
        often = ["is overtaken"] * 2 if "is overtaken" in kinds else []
        self._options = [None] * rare + [*kinds, *often]

    def befall(self, party: Party, verb: str, *, after: bool) -> None:
        """Perhaps something happens to a call of ``verb``, ``after`` its effect or before."""
        world = self._world
        kind = world.pick(self._options)
        if kind is None or (kind == "is overtaken" and world.depth >= DEEPEST):
            return
        world.story.begin(f"{'after' if after else 'before'} its {verb}")
        try:
            self._happen(kind, party, after)
        finally:
            world.story.end()
        party.go_on()

    def _happen(self, kind: str, party: Party, after: bool) -> None:
        world = self._world
        if kind == "fails":
            self._note("reply lost" if after else "call failed")
            world.story.tell("the reply is lost" if after else "the store fails")
            raise StorageUnavailable("simulated: the store does not answer")
        if kind == "dies":
            self._note(f"killed {'after' if after else 'before'} the effect")
            world.story.tell(f"{party.name} is killed")
            raise Died
        if kind == "is overtaken":
            self._note("overtaken")
            world.take_any()
        else:
            self._stand_still(party, asleep=kind == "sleeps")

    def _stand_still(self, party: Party, *, asleep: bool) -> None:
        world, seconds = self._world, self._world.pick(SECONDS)
        if asleep:
            world.sleep(party, seconds)
        else:
            self._note("paused")
            world.story.tell(f"{party.name} stands still for {seconds:g} s")
            world.clock.advance(seconds)

    def _note(self, name: str) -> None:
        self._world.tally.mishaps[name] += 1
