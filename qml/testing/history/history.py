"""A history: what all processes asked of a storage, what it answered, and the verdict on that."""

from pathlib import Path

from ...storage.storage import Storage
from ...values.errors import ConfigurationError
from .facts import facts
from .journal import Journal, calls
from .recording import RecordedStorage
from .verdict import ALLOWANCE, Verdict, judge


class History:
    """The calls of all processes that use one store, kept in a folder.

    Every process makes a ``History`` of the same folder, and hands a server or a client the storage
    that ``record`` returns. Each appends to a file of its own, one line before a call and one after
    it, so that whatever dies at whatever moment leaves a history that can be judged. When all have
    ended, ``final`` notes what the store holds, and ``judge`` says whether all of it can be.

    The store has to be empty at the beginning, and nobody may use it past the history.
    """

    def __init__(self, folder: Path | str) -> None:
        if not isinstance(folder, str | Path):
            raise ConfigurationError(f"folder is {folder!r}; give the path of a folder")
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"no history can be kept in {folder}: {error}") from error
        self._journal = Journal(self.folder)

    def record(self, storage: Storage) -> Storage:
        """A storage that does what ``storage`` does, and notes it."""
        _need_storage(storage)
        return RecordedStorage(storage, self._journal)

    def final(self, storage: Storage) -> None:
        """Note every job that the store holds. Nobody else may use it meanwhile."""
        _need_storage(storage)
        number = self._journal.begin(storage.clock, "final", None)
        jobs = storage.list()
        told = {"told": [facts(job) for job in jobs]}
        self._journal.end(storage.clock, number, told)

    def judge(self, *, drained: bool = True, allowance: float = ALLOWANCE) -> Verdict:
        """The verdict on all that was noted so far.

        ``drained``: everything was to be done at the end, so that a due or running job in the final
        store is one left over. ``allowance``: seconds by which the clocks of two processes may
        differ; it excuses nothing where replies tell the exact times.
        """
        if not any(self.folder.iterdir()):
            raise ConfigurationError(
                f"nothing was noted in {self.folder}: use the storage that record() returns"
            )
        return judge(list(calls(self.folder)), drained=drained, allowance=allowance)


def _need_storage(storage: object) -> None:
    if not isinstance(storage, Storage):
        raise ConfigurationError(f"a {type(storage).__name__} is no storage that can be noted")
