"""A store of one's own on a user's server: beside his, never in it, and gone afterwards."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import attrs

from ..seam import lanes
from ..seam.codec import encode_job
from ..seam.driver import Driver
from ..seam.rows import After, Claim
from ..seam.tallies import names
from ..storage import batches
from ..storage.connect import connect
from ..storage.engines import config_of
from ..storage.storage import Storage
from ..storage.urls import Config
from ..values.config import MemoryConfig, PostgresConfig, RedisConfig, SqliteConfig
from ..values.job import Job
from ..values.rate import Rate


def beside(url_or_config: str | Config, folder: Path | None = None) -> Config:
    """The configuration of a store that is not there yet, where this one is, with its settings:
    another file in ``folder`` (default: the same), another schema of the same database, another
    prefix in the same server."""
    config = config_of(url_or_config, {})
    name = f"qml_test_{secrets.token_hex(8)}"
    if isinstance(config, SqliteConfig):
        path = (folder or config.path.parent) / f"{name}.db"
        return attrs.evolve(config, path=path, create=True)
    if isinstance(config, PostgresConfig):
        return attrs.evolve(config, schema_name=name, auto_migrate=True)
    if isinstance(config, RedisConfig):
        return attrs.evolve(config, key_prefix=name, create=True)
    return config


@contextlib.contextmanager
def namespace(url_or_config: str | Config, folder: Path | None = None) -> Iterator[Config]:
    """A configuration as ``beside`` makes it; the store is removed at the end, whoever made it."""
    __tracebackhide__ = True  # pytest would show the URL, password and all
    config = beside(url_or_config, folder)
    try:
        yield config
    finally:
        if not isinstance(config, MemoryConfig):
            connect(config).driver.uninstall()


PACES = ("one", "pace", "r", "six", "slow")
"""The rate keys of the proofs: a store remembers them when their jobs are gone."""


BATCHES = ("b", "c", "day", "n", "night", "other")
"""The batches of the proofs: one to which more is to come is remembered without any job."""


def emptied(storage: Storage) -> Storage:
    """The same storage without jobs and records: what is quicker than a new one on a server."""
    driver, paces = storage.driver, set(PACES)
    while rows := driver.scan(After(0, 1000)):
        driver.erase([row.id for row in rows], len(rows))
        paces |= {pace for row in rows if row.lane and (pace := lanes.decode(row.lane).pace)}
        for name in {name for row in rows for name in (*names(row.counts), row.awaits) if name}:
            driver.tally(name, False)
    for batch in BATCHES:
        batches.expect(driver, batch, more=False)
    for record in driver.list(""):
        driver.write(record.name, None, record.version)
    _forget(driver, sorted(paces))
    return storage


_SWEEP = "sweep"
_MUCH_LATER = 7_000_000_000_000_000
"""Microseconds since 1970 UTC: a time in the year 2191."""


def _forget(driver: Driver, paces: list[str]) -> None:
    """Have the store forget the times of paces. It does whenever a claim writes one, of some that
    are over by then."""
    for turn in range(100):
        now = _MUCH_LATER + turn
        if not any(driver.used(now, [], paces).paced):
            return
        job = Job(_SWEEP, queue=_SWEEP, rate=Rate(1_000_000), rate_key=_SWEEP)
        driver.insert([encode_job(job, max_attempts=1, lease_until=None, max_bytes=1_000)])
        driver.claim(Claim(_SWEEP, now, now + 1, 1, 0, (_SWEEP,), "{}"))
        driver.erase([job.id], 1)
