"""From a URL or a configuration to a storage."""

from typing import Any

from ..values.clock import Clock
from ..values.retry import RetryPolicy
from .engines import config_of, split_options, storage_class
from .storage import Storage
from .urls import Config


def connect(
    url_or_config: str | Config,
    *,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    **options: Any,
) -> Storage:
    """Open the storage a URL or a configuration names; ConfigurationError names what is wrong.

    URLs: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``memory://``,
    ``postgresql://user:password@host/database``, ``redis://host``, ``rediss://host``. Settings of
    the configuration may stand in the URL (``?durability=normal``) or be given as ``options``, and
    so may the storage's own (``retention``, ``max_job_bytes``).
    """
    own, settings = split_options(options)
    config = config_of(url_or_config, settings)
    storage: Storage = storage_class(config)(config, clock=clock, retry=retry, **own)
    return storage
