"""The transactions of a driver, with something around their verbs."""

from collections.abc import Callable, Sequence
from typing import Any

from ..seam.rows import Change, Hold, Inserted, Row, Verdict
from ..seam.transactions import Transaction, Transactional

Around = Callable[[str, Any, Callable[[], Any]], Any]
"""``WrappedDriver.around``."""


class WrappedTransactions:
    """What a driver can do besides, whose database has transactions."""

    def __init__(self, driver: Transactional, around: Around) -> None:
        self._driver = driver
        self._around = around

    def insert_in(self, connection: Any, rows: Sequence[Row]) -> Inserted:
        """As the driver."""
        order = (connection, rows)
        inserted: Inserted = self._around(
            "insert_in", order, lambda: self._driver.insert_in(connection, rows)
        )
        return inserted

    def begin(self) -> Transaction:
        """As the driver."""
        begun: Transaction = self._around("begin", None, self._driver.begin)
        return WrappedTransaction(begun, self._around)


class WrappedTransaction:
    """A transaction whose ``hold``, ``swap`` and ``commit`` pass by ``around``."""

    def __init__(self, transaction: Transaction, around: Around) -> None:
        self.transaction = transaction
        self._around = around

    @property
    def connection(self) -> Any:
        """As the transaction."""
        return self.transaction.connection

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """As the transaction."""
        verdicts: list[Verdict] = self._around("hold", holds, lambda: self.transaction.hold(holds))
        return verdicts

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """As the transaction."""
        verdicts: list[Verdict] = self._around(
            "swap", changes, lambda: self.transaction.swap(changes)
        )
        return verdicts

    def commit(self) -> None:
        """As the transaction."""
        self._around("commit", None, self.transaction.commit)

    def rollback(self) -> None:
        """As the transaction."""
        self.transaction.rollback()

    def revoke(self) -> None:
        """As the transaction."""
        self.transaction.revoke()
