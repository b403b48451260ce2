"""The transaction that a task's writes and its success are in: its parameter ``tx``."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ..seam.transactions import Transaction
from ..storage.storage import Storage
from ..values.errors import ConfigurationError
from .runs import Run

NAME = "tx"


class Tx:
    """A transaction of the database that the jobs are in, for a task that has a parameter ``tx``.

    It begins when the task first uses it. When the task returns, all that was written by it and
    the job's success are committed in one step; when the task raises, it is rolled back; and when
    the job was taken over, cancelled or ended meanwhile, neither is. The task neither commits nor
    rolls back itself. On SQLite it holds the write lock from its beginning: everybody else's
    writes, those of qml included, wait for its end.
    """

    def __init__(self, run: Run, storage: Storage) -> None:
        self._run = run
        self._storage = storage
        self._begun: Transaction | None = None
        self._over = False

    @property
    def connection(self) -> Any:
        """The connection of the database's library (sqlite3, psycopg2), for this task alone; to
        enqueue as part of it: ``using(connection=tx.connection)``."""
        return self._transaction().connection

    def cursor(self) -> Any:
        """A new cursor."""
        return self.connection.cursor()

    def execute(self, sql: str, params: Any = None) -> Any:
        """Execute a statement, with parameters as the library has them (``?`` or ``:name`` on
        sqlite3, ``%s`` or ``%(name)s`` on psycopg2); its cursor."""
        cursor = self.cursor()
        cursor.execute(sql) if params is None else cursor.execute(sql, params)
        return cursor

    def executemany(self, sql: str, params: Any) -> Any:
        """Execute a statement once for each of several sets of parameters; its cursor."""
        cursor = self.cursor()
        cursor.executemany(sql, params)
        return cursor

    def _transaction(self) -> Transaction:
        if self._over:
            raise ConfigurationError(
                f"job {self._run.job.id} ({self._run.job.method}): its tx has ended with its task"
            )
        if self._begun is None:
            self._run.check()
            self._begun = self._run.transaction = self._storage.begin()
            self._run.check()  # it may have ended while this waited for the lock
        return self._begun

    def taken(self) -> Transaction | None:
        """The transaction, if it was begun, for who commits it."""
        return self._begun

    def end(self) -> None:
        """Undo what is not committed. From now on it is refused: its connection is another's."""
        self._over = True
        if self._begun is not None:
            self._begun.rollback()


@attrs.frozen
class Place:
    """Where a function takes its ``tx``: ``index`` among its positional arguments, None = by
    keyword."""

    index: int | None

    def call(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], tx: Tx
    ) -> Any:
        """Call ``function`` with ``tx`` besides."""
        __tracebackhide__ = True
        if self.index is None or len(args) < self.index:
            return function(*args, **kwargs, **{NAME: tx})
        return function(*args[: self.index], tx, *args[self.index :], **kwargs)


def parted(signature: inspect.Signature) -> tuple[inspect.Signature, Place | None]:
    """A function's signature as its callers have it, and where it takes ``tx``, if it does."""
    parameters = list(signature.parameters.values())
    found = signature.parameters.get(NAME)
    if found is None or found.kind in (found.VAR_POSITIONAL, found.VAR_KEYWORD):
        return signature, None
    index = None if found.kind is found.KEYWORD_ONLY else parameters.index(found)
    rest = [parameter for parameter in parameters if parameter is not found]
    return signature.replace(parameters=rest), Place(index)


def check_fits(task: str, *, process: bool) -> None:
    """A ConfigurationError for a task that takes ``tx`` in a process, where there is none."""
    if process:
        raise ConfigurationError(
            f"task {task} takes tx, and process=True runs it in another process, which has no part "
            "in the server's transaction; leave one of the two"
        )
