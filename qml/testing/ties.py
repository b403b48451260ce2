"""What stored jobs have to do with others, in the oracle."""

from collections.abc import Hashable
from typing import NamedTuple

import attrs

from ..values.states import StateKind


class Tally(NamedTuple):
    """How many of a group have not ended, whether more are to come, how many did not succeed."""

    left: int = 0
    open: bool = True
    failed: int = 0


@attrs.frozen
class Ties:
    """Of one job, as it was enqueued: its ``batch``, the groups that its end ``counts`` for, the
    one that it ``awaits``, and whether it ``needs_all`` of that to succeed. It ``sleeps`` until
    that is over, and is ``woken`` by it. ``ended_as``: its final state, as far as it was counted.
    """

    batch: str | None = None
    counts: tuple[Hashable, ...] = ()
    awaits: Hashable = None
    needs_all: bool = False
    sleeps: bool = False
    woken: bool = False
    ended_as: StateKind | None = None


NO_TIES = Ties()
