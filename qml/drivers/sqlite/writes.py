"""The writes of a storage, counted: what the log tells of may be one of these."""

import sqlite3


class Writes:
    """``count``: how often the storage has changed the file, with the write ``under_way``. Told of
    by whose turn it is."""

    def __init__(self) -> None:
        self.count = 0
        self.under_way = False
        self._before = 0

    def begin(self, connection: sqlite3.Connection) -> None:
        """A transaction has begun, which holds the write lock."""
        self._before = connection.total_changes
        self.count, self.under_way = self.count + 1, True

    def end(self, connection: sqlite3.Connection) -> None:
        """It is over; it does not count if it has changed nothing."""
        self.under_way = False
        self.count -= connection.total_changes == self._before
