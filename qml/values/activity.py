"""What was done in one minute, by one server or by all."""

from datetime import datetime

import attrs


@attrs.frozen
class Minute:
    """The minute that begins ``at`` (UTC): how many jobs ``succeeded``, ``failed`` for good, or are
    to be tried again (``retrying``), and the ``seconds`` that these runs took in all."""

    at: datetime
    succeeded: int = 0
    failed: int = 0
    retrying: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Minute") -> "Minute":
        return Minute(
            self.at,
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            self.retrying + other.retrying,
            self.seconds + other.seconds,
        )
