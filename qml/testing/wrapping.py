"""A driver with something around its verbs: what watches, breaks or orders the calls below."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..seam.driver import Driver
from ..seam.findings import Findings
from ..seam.lanes import Used
from ..seam.rows import (
    Change,
    Claim,
    Claimed,
    Finished,
    Hold,
    Inserted,
    Overdue,
    Page,
    Query,
    Record,
    Row,
    Verdict,
    Write,
)
from ..seam.tallies import Parents, Tally
from ..seam.transactions import Transactional
from ..values.errors import ConfigurationError
from .transacting import WrappedTransactions

T = TypeVar("T")


class WrappedDriver:
    """A driver that hands each verb that touches rows or records on by ``around``.

    Derive from it and override ``around``: what it does before ``call()`` comes before the verb's
    effect, and what it does after that comes when the effect is there and the caller knows
    nothing yet. Hints, the clock and the life of the store pass through. Where the driver is
    ``Transactional``, so is this: ``insert_in`` and ``begin`` are handed on, and a transaction's
    ``hold``, ``swap`` and ``commit``.
    """

    def __init__(self, driver: Driver) -> None:
        if not callable(getattr(driver, "swap", None)):
            raise ConfigurationError(
                f"{type(self).__name__} wraps a driver, and a {type(driver).__name__} is none: "
                "give the storage's .driver"
            )
        self.driver = driver
        if isinstance(driver, Transactional):  # attributes, since whoever has them counts as such
            beside = WrappedTransactions(driver, self.around)
            self.insert_in, self.begin = beside.insert_in, beside.begin

    def around(self, verb: str, order: Any, call: Callable[[], T]) -> T:
        """Carry ``verb`` out: ``call()`` does it; ``order`` is what it is asked to do."""
        return call()

    # -- what passes by ``around`` -------------------------------------------------------------

    def insert(
        self,
        rows: Sequence[Row],
        record: Write | None = None,
        parents: Sequence[Parents] = (),
    ) -> Inserted:
        """As the driver."""
        beside = (record, parents) if parents else (record,)
        return self.around("insert", (rows, record), lambda: self.driver.insert(rows, *beside))

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        """As the driver."""
        return self.around("load", ids, lambda: self.driver.load(ids))

    def holder(self, unique_key: str) -> str | None:
        """As the driver."""
        return self.around("holder", unique_key, lambda: self.driver.holder(unique_key))

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """As the driver."""
        return self.around("swap", changes, lambda: self.driver.swap(changes))

    def claim(self, claim: Claim) -> Claimed:
        """As the driver."""
        return self.around("claim", claim, lambda: self.driver.claim(claim))

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """As the driver."""
        return self.around("hold", holds, lambda: self.driver.hold(holds))

    def let_go(
        self, job_id: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """As the driver."""
        order = (job_id, worker, now, claim)
        return self.around("let_go", order, lambda: self.driver.let_go(*order))

    def scan(self, query: Query) -> list[Row]:
        """As the driver."""
        return self.around("scan", query, lambda: self.driver.scan(query))

    def count(self, page: Page, by: str) -> dict[str, int]:
        """As the driver."""
        return self.around("count", (page, by), lambda: self.driver.count(page, by))

    def erase(self, target: Finished | Overdue | Sequence[str], limit: int) -> int:
        """As the driver."""
        return self.around("erase", target, lambda: self.driver.erase(target, limit))

    def used(self, now: int, permits: Sequence[str], paces: Sequence[str]) -> Used:
        """As the driver."""
        order = (now, permits, paces)
        return self.around("used", order, lambda: self.driver.used(*order))

    def tally(self, name: str, more: bool | None = None, failed: int | None = None) -> Tally | None:
        """As the driver."""
        order = (name, more, failed)
        return self.around("tally", order, lambda: self.driver.tally(*order))

    def read(self, name: str) -> Record | None:
        """As the driver."""
        return self.around("read", name, lambda: self.driver.read(name))

    def write(self, name: str, body: str | None, expected: int) -> Verdict:
        """As the driver."""
        order = (name, body, expected)
        return self.around("write", order, lambda: self.driver.write(name, body, expected))

    def list(self, prefix: str) -> "list[Record]":
        """As the driver."""
        return self.around("list", prefix, lambda: self.driver.list(prefix))

    # -- what passes through -------------------------------------------------------------------

    def notify(self) -> None:
        """As the driver."""
        self.driver.notify()

    def wait(self, timeout: float) -> bool:
        """As the driver."""
        return self.driver.wait(timeout)

    def install(self) -> None:
        """As the driver."""
        self.driver.install()

    def uninstall(self) -> None:
        """As the driver."""
        self.driver.uninstall()

    def time(self) -> int:
        """As the driver."""
        return self.driver.time()

    def describe(self) -> str:
        """As the driver."""
        return self.driver.describe()

    def examine(self) -> Findings:
        """As the driver."""
        return self.driver.examine()

    def close(self) -> None:
        """As the driver."""
        self.driver.close()
