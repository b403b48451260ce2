"""What a driver can do besides, whose database has transactions that callers may take part in."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from .rows import Change, Hold, Inserted, Row, Verdict


class Transaction(Protocol):
    """A transaction of the store's own database, open from the moment it was made. The thread that
    made it uses it; any thread may ``revoke`` it. It is over after ``commit``, also in vain, and
    after ``rollback``, which does nothing then."""

    @property
    def connection(self) -> Any:
        """The connection of the database's own library, for the caller's statements."""
        ...

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """``Driver.hold``, as part of the transaction."""
        ...

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """``Driver.swap``, as part of the transaction."""
        ...

    def commit(self) -> None:
        """Make it last. ConfigurationError when its caller has ended it before; StorageUnavailable
        when it did not last, or nobody knows."""
        ...

    def rollback(self) -> None:
        """Undo it. Never fails."""
        ...

    def revoke(self) -> None:
        """Undo it, and have every further statement refused; from any thread. Never fails."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """A driver whose rows can be stored and changed within a transaction."""

    def insert_in(self, connection: Any, rows: Sequence[Row]) -> Inserted:
        """``Driver.insert`` within the transaction that the caller's ``connection`` is in, or
        begins with it: the rows exist if and only if that commits. A refusal leaves it as it was.
        ConfigurationError for a connection that would commit elsewhere, or at once."""
        ...

    def begin(self) -> Transaction:
        """A transaction on a connection of its own."""
        ...
