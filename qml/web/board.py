"""One dashboard: whose jobs it shows, who may see them, what it hides."""

import inspect
import weakref
from collections.abc import Sequence

import attrs

from ..storage.storage import Storage
from ..values.job import Job
from ..work.app import Qml
from ..work.tx import parted
from .gate import Gate
from .looks import Looks
from .redaction import Redaction, Shown

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@attrs.frozen
class Board:
    """A dashboard by ``name``; ``source``: whose jobs; ``gate``: who may see them; ``read_only``:
    nothing can be changed; ``redaction``: what is hidden; ``seen``: what was seen
    lately of each storage, as ``source`` may have one for each Flask app."""

    name: str
    source: Qml | Storage
    gate: Gate
    read_only: bool
    redaction: Redaction
    seen: "weakref.WeakKeyDictionary[Storage, Looks]" = attrs.field(
        factory=weakref.WeakKeyDictionary
    )

    @property
    def storage(self) -> Storage:
        """Where the jobs are; connected at the first use."""
        return self.source if isinstance(self.source, Storage) else self.source.storage

    @property
    def looks(self) -> Looks:
        """What was seen lately of the storage."""
        return self.seen.setdefault(self.storage, Looks())

    def shown(self, job: Job) -> Shown:
        """A job as it may be shown."""
        return self.redaction.of(job, self._parameters(job.method))

    def _parameters(self, method: str) -> Sequence[str]:
        """The names of a task's positional arguments, where the dashboard knows the app."""
        task = None if isinstance(self.source, Storage) else self.source.tasks.get(method)
        if task is None:
            return ()
        found = parted(inspect.signature(task.function))[0].parameters
        return [p.name for p in found.values() if p.kind in _POSITIONAL]
