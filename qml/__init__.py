"""qml, "queue me later": background jobs in threads, kept in SQLite, claimed once."""

from ._version import __version__
from .storage.connect import connect
from .storage.engines import MemoryStorage, PostgresStorage, RedisStorage, SqliteStorage
from .storage.storage import Storage
from .values.clock import ManualClock
from .values.config import MemoryConfig, PostgresConfig, RedisConfig, Retention, SqliteConfig
from .values.errors import (
    CapacityExceeded,
    ConcurrentModification,
    ConfigurationError,
    InvalidArguments,
    InvalidTransition,
    JobAlreadyExists,
    JobFailed,
    JobLost,
    JobNotFound,
    MigrationError,
    QmlError,
    SerializationError,
    StorageError,
    StorageUnavailable,
    UniqueKeyTaken,
    UnknownMethod,
    WaitTimeout,
)
from .values.job import Failure, Job
from .values.retry import RetryPolicy
from .values.states import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    Scheduled,
    StateKind,
    Succeeded,
)
from .work.app import Qml
from .work.context import CurrentJob, current_job
from .work.control import Discard, Retry, Snooze
from .work.server import Server
from .work.task import Task

__all__ = [
    "AwaitingRetry",
    "CapacityExceeded",
    "ConcurrentModification",
    "ConfigurationError",
    "CurrentJob",
    "Deleted",
    "Discard",
    "Enqueued",
    "Failed",
    "Failure",
    "InvalidArguments",
    "InvalidTransition",
    "Job",
    "JobAlreadyExists",
    "JobFailed",
    "JobLost",
    "JobNotFound",
    "JobState",
    "ManualClock",
    "MemoryConfig",
    "MemoryStorage",
    "MigrationError",
    "PostgresConfig",
    "PostgresStorage",
    "Processing",
    "Qml",
    "QmlError",
    "RedisConfig",
    "RedisStorage",
    "Retention",
    "Retry",
    "RetryPolicy",
    "Scheduled",
    "SerializationError",
    "Server",
    "Snooze",
    "SqliteConfig",
    "SqliteStorage",
    "StateKind",
    "Storage",
    "StorageError",
    "StorageUnavailable",
    "Succeeded",
    "Task",
    "UniqueKeyTaken",
    "UnknownMethod",
    "WaitTimeout",
    "__version__",
    "connect",
    "current_job",
]

for _name in __all__:
    _thing = globals()[_name]
    if isinstance(_thing, type) and issubclass(_thing, Exception):
        _thing.__module__ = __name__  # as users import it, and as tracebacks should name it
