"""Steps: values that say who does what."""

from typing import TYPE_CHECKING, ClassVar

import attrs

from .parties import Party, SimulatedServer

if TYPE_CHECKING:
    from .world import World


@attrs.frozen(kw_only=True)
class Step:
    """What a party does in one go, unless a mishap comes between.

    ``acts``: what it does, in one word; ``role``: the thread that does it, which does one thing
    at a time (None = any number of threads do it).
    """

    role: ClassVar[str | None] = None
    acts: ClassVar[str] = ""

    def party(self, world: "World") -> Party:
        """Who does it."""
        raise NotImplementedError

    def heading(self, world: "World", party: Party) -> str | None:
        """The step in words; None = there is nothing to do."""
        return f"{party.name} {self.acts}"

    def take(self, world: "World", party: Party) -> str | None:
        """Do it; what came of it in words, "" = as was to be expected, None = nothing."""
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class ServerStep(Step):
    """What server number ``server`` does."""

    server: int = 0

    def party(self, world: "World") -> SimulatedServer:
        """The server."""
        return world.servers[self.server]


def names(ids: list[str]) -> str:
    """Several jobs in words."""
    return ", ".join(ids) or "nothing"
