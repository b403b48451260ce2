"""From a URL or a configuration to a storage."""

from typing import Any

from ..values.clock import Clock
from ..values.errors import ConfigurationError
from ..values.retry import RetryPolicy
from .engines import STORAGES, config_of, split_options
from .storage import Storage
from .urls import SCHEMES, Config


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
    kind = STORAGES.get(type(config))
    if kind is None:
        raise ConfigurationError(
            f"connect({type(config).__name__}): give a URL ({SCHEMES}) or one of "
            f"{', '.join(kind.__name__ for kind in STORAGES)}"
        )
    storage: Storage = kind(config, clock=clock, retry=retry, **own)
    return storage
