"""What jobs of a simulation share, and what clients ask about it."""

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from ...storage import batches
from ...values.followup import Followup
from ...values.rate import Rate
from .clients import ClientStep
from .parties import Party

if TYPE_CHECKING:
    from .world import World

BATCH, QUEUE = "n", "mail"
"""The one batch that there is, and the queue that may be paused."""

LIMITS: tuple[dict[str, Any], ...] = (
    {"concurrency_key": "one", "concurrency_limit": 1},
    {"concurrency_key": "two", "concurrency_limit": 2},
    {"rate": Rate(1, 5.0), "rate_key": "slow"},
    {"concurrency_key": "one", "concurrency_limit": 1, "rate": Rate(6, 60.0, 2), "rate_key": "six"},
)
"""What jobs may be under: one key has one limit, and one rate key one rate."""

GROUPS: tuple[dict[str, Any], ...] = (
    {"batch": BATCH},
    {"batch": BATCH},
    {"after": ("a",)},
    {"after": ("b", "c"), "needs_success": False},
    {"after_batch": BATCH},
    {"after_batch": BATCH, "needs_success": False},
)
"""A job is part of the batch or comes after others: one that is both might wait for itself."""

NEXT = (
    Followup("task", arguments=["next", ""]),
    Followup("task", arguments=["next", ""], on_success=Followup("task", arguments=["last", ""])),
    Followup("task", arguments=["next", ""], **LIMITS[0]),
)
"""What may follow on a success."""


@attrs.frozen(kw_only=True)
class PausesQueue(ClientStep):
    """Have no job of a queue claimed any more."""

    acts: ClassVar[str] = "pauses the queue"

    def ask(self, world: "World", party: Party) -> None:
        """The queues' ``pause``."""
        party.storage.queues.pause(QUEUE)


@attrs.frozen(kw_only=True)
class ResumesQueue(ClientStep):
    """Go on with it."""

    acts: ClassVar[str] = "resumes the queue"

    def heading(self, world: "World", party: Party) -> str | None:
        """If it is paused."""
        return super().heading(world, party) if world.store.sharing.paused else None

    def ask(self, world: "World", party: Party) -> None:
        """The queues' ``resume``."""
        party.storage.queues.resume(QUEUE)


@attrs.frozen(kw_only=True)
class OpensBatch(ClientStep):
    """More jobs of the batch are to come."""

    acts: ClassVar[str] = "opens the batch"

    def ask(self, world: "World", party: Party) -> None:
        """What a batch does as it is entered."""
        batches.expect(party.storage.driver, BATCH, more=True)


@attrs.frozen(kw_only=True)
class ClosesBatch(ClientStep):
    """No more are to come."""

    acts: ClassVar[str] = "closes the batch"

    def heading(self, world: "World", party: Party) -> str | None:
        """If more are."""
        known = [group.open for group in world.store.sharing.groups.values()]
        return super().heading(world, party) if any(known) else None

    def ask(self, world: "World", party: Party) -> None:
        """What a batch does as it is left."""
        batches.expect(party.storage.driver, BATCH, more=False)
