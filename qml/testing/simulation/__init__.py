"""Several servers in one thread, broken at every driver call: by Hypothesis, or by seeds."""

from typing import TYPE_CHECKING

from ..._lazy import importer

if TYPE_CHECKING:
    from .machine import Simulation
    from .seeded import lives
    from .tally import Tally

__all__ = ["Simulation", "Tally", "lives"]

__getattr__ = importer(__name__, {"Simulation": ".machine", "Tally": ".tally", "lives": ".seeded"})
