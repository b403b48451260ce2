"""What an app says of its recurring jobs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ..storage.schedules import Schedules
from ..storage.storage import Storage
from ..values.cron import Cron
from ..values.schedule import Every
from .declaring import Declaration, Declare


class Recurring:
    """The part of an app that declares schedules and changes those of the store."""

    declared: dict[str, Declaration]

    @property
    def storage(self) -> Storage:
        """Where the schedules are."""
        raise NotImplementedError

    def task(self, function: Any = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Make a function a task."""
        raise NotImplementedError

    def cron(
        self,
        text: str,
        timezone: str = "UTC",
        *,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Declare:
        """Have a task called by a cron rule, see ``Cron``: ``jobs.cron("0 9 * * 1-5",
        timezone="Europe/Berlin")(task)``, or as a decorator above ``@jobs.task``.

        ``name``: the task's by default; ``args``, ``kwargs`` for the task; options: ``catch_up``,
        ``overlap``, ``spread``, see ``Schedule``. Servers of this app make it known and issue its
        jobs, each once, whatever their number. ConfigurationError, InvalidArguments."""
        return Declare(self, Cron(text, timezone), name, (tuple(args), dict(kwargs or {})), options)

    def every(
        self,
        seconds: float | timedelta,
        *,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Declare:
        """Have a task called every so many seconds, counted from when a server first made the
        schedule known. Else as ``cron``."""
        return Declare(self, Every(seconds), name, (tuple(args), dict(kwargs or {})), options)

    @property
    def schedules(self) -> Schedules:
        """All schedules of the store: to list, add, change, pause, remove and trigger them."""
        return self.storage.schedules
