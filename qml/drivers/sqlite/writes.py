"""The writes of a storage, counted: what the log tells of may be one of these."""


class Writes:
    """``count``: how often the storage has changed the file, with the write ``under_way``. Told of
    by whose turn it is, which says when one is under way."""

    def __init__(self) -> None:
        self.count = 0
        self.under_way = False

    def end(self, changed: bool) -> None:
        """A transaction is over; it counts if it has ``changed`` something."""
        self.count += changed
        self.under_way = False
