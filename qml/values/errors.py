"""Every error that leaves qml.

::

    QmlError
      StorageError
        StorageUnavailable       the store does not answer now; asking again may help
          StorageClosed          this storage was closed here; asking again does not help
        JobNotFound              no job has this id
        JobAlreadyExists         the id is taken; the stored job is untouched
        UniqueKeyTaken           the unique key is held; ``job_id`` is the holder's
        ConcurrentModification   the stored job changed since yours was read
        JobLost                  the claim no longer holds the job; nothing was changed
        SerializationError       a value that JSON cannot keep; the message names its path
        MigrationError           the store's schema does not fit this qml
        CapacityExceeded         the store is full
        LockTaken                another holds the named lock
        LockLost                 the named lock is not held any more
      InvalidTransition          a state cannot follow the present one
      UnknownMethod              no task has this name here
      InvalidArguments           the arguments do not fit the task's signature (a TypeError)
      ConfigurationError         a setting that cannot be used (a ValueError)
      JobFailed                  the job whose result was asked for has failed
        BatchFailed              some of a batch's jobs have; the others have ended
      WaitTimeout                the job did not end in time (a TimeoutError)
      JobCancelled               within a run: its job was cancelled meanwhile
      JobTimeout                 within a run: its time limit has passed (a TimeoutError)

The last two and JobLost are raised in a task by ``current_job().check()``.

No driver's own exception leaves qml: it is the ``__cause__`` of one of these.
"""

from datetime import datetime


class QmlError(Exception):
    """The root of all errors of qml. ``job_id`` names the job concerned, where there is one."""

    def __init__(self, message: str = "", *, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class StorageError(QmlError):
    """Something about stored jobs went wrong."""


class StorageUnavailable(StorageError):
    """The store does not answer now. The same call may be made again later."""


class StorageClosed(StorageUnavailable):
    """This storage was closed, in this process: connect again. Asking this one does not help."""


class JobNotFound(StorageError):
    """No job has this id."""


class JobAlreadyExists(StorageError):
    """A job with this id is stored already, and was left untouched."""


class UniqueKeyTaken(StorageError):
    """Another unfinished job holds the unique key. ``job_id`` is the holder's id."""


class ConcurrentModification(StorageError):
    """The stored job changed since the one at hand was read. Read it again and decide anew."""


class JobLost(StorageError):
    """The claim behind this call no longer holds the job. Nothing was changed."""


class SerializationError(StorageError):
    """A value cannot be kept as JSON. The message names its path and the cure."""


class MigrationError(StorageError):
    """The store's schema does not fit this qml."""


class CapacityExceeded(StorageError):
    """The store holds as much as it may."""


class LockTaken(StorageError):
    """Another holds the named lock. ``lock`` is its name, ``holder`` says who, and ``until`` (aware
    UTC) is the end of the holder's term as it stands now; a holder that lives renews it."""

    def __init__(
        self,
        message: str = "",
        *,
        lock: str = "",
        holder: str = "",
        until: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.lock, self.holder, self.until = lock, holder, until


class LockLost(StorageError):
    """The block's lock is not held any more: another may be at work."""


class InvalidTransition(QmlError):
    """The job's present state has no move to the wanted one."""


class UnknownMethod(QmlError):
    """No task of this name is known here."""


class InvalidArguments(QmlError, TypeError):
    """The arguments do not fit the task's signature."""


class ConfigurationError(QmlError, ValueError):
    """A setting that cannot be used. The message names setting, value and remedy."""


class JobFailed(QmlError):
    """The job whose result was asked for has failed for good, or was deleted."""


class BatchFailed(JobFailed):
    """Some jobs of a batch have failed for good, or were deleted; all others have ended, and their
    results are kept. ``failed``: how many; ``job_ids``: of the first of them."""

    def __init__(
        self, message: str = "", *, failed: int = 0, job_ids: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, job_id=job_ids[0] if job_ids else None)
        self.failed = failed
        self.job_ids = job_ids


class WaitTimeout(QmlError, TimeoutError):
    """The job did not reach a final state in the time given. It goes on."""


class JobCancelled(QmlError):
    """The job that runs here was cancelled. What its task returns will not be recorded."""


class JobTimeout(QmlError, TimeoutError):
    """The time limit of the job that runs here has passed. A task that lets it out has failed in
    this attempt, as the server would have recorded."""


def _named_as_imported(kind: type[QmlError]) -> None:
    """As users import them, and as tracebacks should name them."""
    kind.__module__ = "qml"
    for one in kind.__subclasses__():
        _named_as_imported(one)


_named_as_imported(QmlError)
