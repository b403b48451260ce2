"""qml, "queue me later": background jobs in threads, kept in SQLite, claimed once.

PYTEST_DONT_REWRITE: the pytest plug-in makes it a candidate, and its asserts are no tests.
"""

from typing import TYPE_CHECKING

from ._lazy import importer
from ._version import __version__

if TYPE_CHECKING:
    from .storage.batches import BatchProgress
    from .storage.connect import connect
    from .storage.engines import MemoryStorage, PostgresStorage, RedisStorage, SqliteStorage
    from .storage.hooks import Event, EventKind
    from .storage.queues import Queue, Queues
    from .storage.schedules import Schedules
    from .storage.storage import Storage
    from .values.clock import ManualClock
    from .values.config import MemoryConfig, PostgresConfig, RedisConfig, SqliteConfig
    from .values.cron import Cron
    from .values.errors import (
        BatchFailed,
        CapacityExceeded,
        ConcurrentModification,
        ConfigurationError,
        InvalidArguments,
        InvalidTransition,
        JobAlreadyExists,
        JobCancelled,
        JobFailed,
        JobLost,
        JobNotFound,
        JobTimeout,
        LockLost,
        LockTaken,
        MigrationError,
        QmlError,
        SerializationError,
        StorageClosed,
        StorageError,
        StorageUnavailable,
        UniqueKeyTaken,
        UnknownMethod,
        WaitTimeout,
    )
    from .values.followup import Followup
    from .values.job import Failure, Job
    from .values.notes import LogLine, Notes, Progress
    from .values.rate import Rate
    from .values.retention import Retention
    from .values.retry import RetryPolicy
    from .values.schedule import Every, Schedule
    from .values.selection import JobFilter
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
    from .work.batch import Batch
    from .work.context import CurrentJob, current_job
    from .work.control import Discard, Retry, Snooze
    from .work.jsonlog import JsonFormatter
    from .work.lock import Lock
    from .work.server import Server
    from .work.task import Task
    from .work.tx import Tx

__all__ = [
    "AwaitingRetry",
    "Batch",
    "BatchFailed",
    "BatchProgress",
    "CapacityExceeded",
    "ConcurrentModification",
    "ConfigurationError",
    "Cron",
    "CurrentJob",
    "Deleted",
    "Discard",
    "Enqueued",
    "Event",
    "EventKind",
    "Every",
    "Failed",
    "Failure",
    "Followup",
    "InvalidArguments",
    "InvalidTransition",
    "Job",
    "JobAlreadyExists",
    "JobCancelled",
    "JobFailed",
    "JobFilter",
    "JobLost",
    "JobNotFound",
    "JobState",
    "JobTimeout",
    "JsonFormatter",
    "Lock",
    "LockLost",
    "LockTaken",
    "LogLine",
    "ManualClock",
    "MemoryConfig",
    "MemoryStorage",
    "MigrationError",
    "Notes",
    "PostgresConfig",
    "PostgresStorage",
    "Processing",
    "Progress",
    "Qml",
    "QmlError",
    "Queue",
    "Queues",
    "Rate",
    "RedisConfig",
    "RedisStorage",
    "Retention",
    "Retry",
    "RetryPolicy",
    "Schedule",
    "Scheduled",
    "Schedules",
    "SerializationError",
    "Server",
    "Snooze",
    "SqliteConfig",
    "SqliteStorage",
    "StateKind",
    "Storage",
    "StorageClosed",
    "StorageError",
    "StorageUnavailable",
    "Succeeded",
    "Task",
    "Tx",
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
        "Cron": ".values.cron",
        "CurrentJob": ".work.context",
        "Deleted": ".values.states",
        "Discard": ".work.control",
        "Enqueued": ".values.states",
        "Event": ".storage.hooks",
        "EventKind": ".storage.hooks",
        "Every": ".values.schedule",
        "Failed": ".values.states",
        "Failure": ".values.job",
        "Followup": ".values.followup",
        "InvalidArguments": ".values.errors",
        "InvalidTransition": ".values.errors",
        "Job": ".values.job",
        "JobAlreadyExists": ".values.errors",
        "JobCancelled": ".values.errors",
        "Batch": ".work.batch",
        "BatchFailed": ".values.errors",
        "BatchProgress": ".storage.batches",
        "JobFailed": ".values.errors",
        "JobFilter": ".values.selection",
        "JobLost": ".values.errors",
        "JobNotFound": ".values.errors",
        "JobState": ".values.states",
        "JobTimeout": ".values.errors",
        "JsonFormatter": ".work.jsonlog",
        "Lock": ".work.lock",
        "LockLost": ".values.errors",
        "LockTaken": ".values.errors",
        "LogLine": ".values.notes",
        "ManualClock": ".values.clock",
        "MemoryConfig": ".values.config",
        "MemoryStorage": ".storage.engines",
        "MigrationError": ".values.errors",
        "Notes": ".values.notes",
        "PostgresConfig": ".values.config",
        "PostgresStorage": ".storage.engines",
        "Processing": ".values.states",
        "Progress": ".values.notes",
        "Qml": ".work.app",
        "QmlError": ".values.errors",
        "Queue": ".storage.queues",
        "Queues": ".storage.queues",
        "Rate": ".values.rate",
        "RedisConfig": ".values.config",
        "RedisStorage": ".storage.engines",
        "Retention": ".values.retention",
        "Retry": ".work.control",
        "RetryPolicy": ".values.retry",
        "Schedule": ".values.schedule",
        "Scheduled": ".values.states",
        "Schedules": ".storage.schedules",
        "SerializationError": ".values.errors",
        "Server": ".work.server",
        "Snooze": ".work.control",
        "SqliteConfig": ".values.config",
        "SqliteStorage": ".storage.engines",
        "StateKind": ".values.states",
        "Storage": ".storage.storage",
        "StorageError": ".values.errors",
        "StorageClosed": ".values.errors",
        "StorageUnavailable": ".values.errors",
        "Succeeded": ".values.states",
        "Task": ".work.task",
        "Tx": ".work.tx",
        "UniqueKeyTaken": ".values.errors",
        "UnknownMethod": ".values.errors",
        "WaitTimeout": ".values.errors",
        "connect": ".storage.connect",
        "current_job": ".work.context",
    },
)
"""A name is imported when it is first used: whoever has pytest and qml, and tests something else,
loads this package with every run."""
