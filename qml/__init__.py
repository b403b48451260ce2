"""qml, "queue me later": background jobs in threads, kept in SQLite, claimed once.

PYTEST_DONT_REWRITE: the pytest plug-in makes it a candidate, and its asserts are no tests.
"""

from typing import TYPE_CHECKING

from ._lazy import importer
from ._version import __version__

if TYPE_CHECKING:
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

__getattr__ = importer(
    __name__,
    {
        "AwaitingRetry": ".values.states",
        "CapacityExceeded": ".values.errors",
        "ConcurrentModification": ".values.errors",
        "ConfigurationError": ".values.errors",
        "CurrentJob": ".work.context",
        "Deleted": ".values.states",
        "Discard": ".work.control",
        "Enqueued": ".values.states",
        "Failed": ".values.states",
        "Failure": ".values.job",
        "InvalidArguments": ".values.errors",
        "InvalidTransition": ".values.errors",
        "Job": ".values.job",
        "JobAlreadyExists": ".values.errors",
        "JobFailed": ".values.errors",
        "JobLost": ".values.errors",
        "JobNotFound": ".values.errors",
        "JobState": ".values.states",
        "ManualClock": ".values.clock",
        "MemoryConfig": ".values.config",
        "MemoryStorage": ".storage.engines",
        "MigrationError": ".values.errors",
        "PostgresConfig": ".values.config",
        "PostgresStorage": ".storage.engines",
        "Processing": ".values.states",
        "Qml": ".work.app",
        "QmlError": ".values.errors",
        "RedisConfig": ".values.config",
        "RedisStorage": ".storage.engines",
        "Retention": ".values.config",
        "Retry": ".work.control",
        "RetryPolicy": ".values.retry",
        "Scheduled": ".values.states",
        "SerializationError": ".values.errors",
        "Server": ".work.server",
        "Snooze": ".work.control",
        "SqliteConfig": ".values.config",
        "SqliteStorage": ".storage.engines",
        "StateKind": ".values.states",
        "Storage": ".storage.storage",
        "StorageError": ".values.errors",
        "StorageUnavailable": ".values.errors",
        "Succeeded": ".values.states",
        "Task": ".work.task",
        "UniqueKeyTaken": ".values.errors",
        "UnknownMethod": ".values.errors",
        "WaitTimeout": ".values.errors",
        "connect": ".storage.connect",
        "current_job": ".work.context",
    },
)
"""A name is imported when it is first used: whoever has pytest and qml, and tests something else,
loads this package with every run."""
