"""How long the servers of a store keep what has ended: a record, since a shell knows no app."""

import attrs

from ..values import jsontext
from ..values.errors import ConfigurationError, SerializationError, StorageError
from ..values.retention import Retention
from .storage import Storage

RECORD = "retention"


def tell(storage: Storage) -> None:
    """Write down the terms of this storage, whose server begins; the usual ones need no record."""
    usual = storage.retention == Retention()
    body = None if usual else jsontext.dumps(attrs.asdict(storage.retention))
    known = storage.driver.read(RECORD)
    if body != (known and known.body):
        # STALE: another server began at this moment, and its terms stand.
        storage.driver.write(RECORD, body, known.version if known else 0)


def told(storage: Storage) -> Retention:
    """The terms of the server that began last, or else the usual ones. StorageError if its record
    cannot be read."""
    known = storage.driver.read(RECORD)
    try:
        return Retention() if known is None else Retention(**jsontext.loads(known.body))
    except (SerializationError, ConfigurationError, TypeError) as error:
        raise StorageError(
            f"record {RECORD} cannot be read, so nothing was purged ({error}); a server that is "
            "started writes it anew"
        ) from error
