"""Brings the schema up to date: each migration once, in order, in one transaction."""

import re
from collections.abc import Iterable

from ..._version import __version__
from ...values.config import PostgresConfig
from ...values.errors import MigrationError
from ..statements import read_page
from .arrays import literal
from .connections import Call, Connections
from .statements import LOCKS, MIGRATION

MIGRATIONS = {
    int(name): text
    for name, text in read_page("qml.drivers.postgres", "schema.sql", "migration").items()
}
NEWEST = max(MIGRATIONS)

META = "qml_meta"
TABLES = frozenset(re.findall(r"TABLE \{schema\}\.(\w+) \(", "".join(MIGRATIONS.values())))


def install(connections: Connections, config: PostgresConfig) -> None:
    """Apply what is missing. Several servers may do this at once: one does, the others find it
    done. A schema newer than this qml knows is a MigrationError, and so is one that is missing or
    older when ``auto_migrate`` is off."""
    present = connections.read(lambda call: present_version(call, connections.name))
    if present > NEWEST:
        raise _too_new(connections.name, present)
    if present == NEWEST:
        return
    if not config.auto_migrate:
        what = f"has schema version {present}" if present else "holds no jobs of qml"
        raise MigrationError(
            f"{connections.name} {what}, this is qml {__version__}, which needs version {NEWEST}, "
            "and auto_migrate is off; connect once with auto_migrate on, as a role that may create "
            "tables there"
        )
    connections.write(lambda call: _migrate(call, connections.name))


def present_version(call: Call, name: str) -> int:
    """The version of the schema; 0 when there is none."""
    encoding, _, there = _present(call)
    if encoding != "UTF8":
        raise MigrationError(
            f"{name}: the encoding of this database is {encoding}, which cannot keep every text; "
            "use one made with ENCODING 'UTF8' TEMPLATE template0"
        )
    if not there:
        return 0
    rows = call.run(call.sql["schema_version"], {}) if META in there else []
    if not rows or not rows[0][0].isdecimal():
        raise _lost(name, ["its version" if META in there else META])
    version = int(rows[0][0])
    if version == NEWEST and TABLES - there:
        raise _lost(name, sorted(TABLES - there))
    return version


def _present(call: Call) -> tuple[str, bool, set[str]]:
    """The encoding of the database, whether the schema is there, and which of qml's tables."""
    asked = {"schema": call.sql.schema, "tables": literal(sorted(TABLES))}
    [(encoding, exists, there)] = call.run(call.sql["present"], asked)
    return encoding, exists, {*there}


def _migrate(call: Call, name: str) -> None:
    """In an explicit transaction, which a pooler keeps on one connection, too. The first statement
    after it began waits for whoever migrates at this moment."""
    call.run(call.sql["begin"], {})
    call.run(call.sql["one_migrates"], {"space": LOCKS, "lock": call.sql.lock(MIGRATION)})
    _, exists, _ = _present(call)
    if not exists:  # asked first, since it takes a right that its user may lack
        call.run(call.sql["create_schema"], {})
    present = present_version(call, name)
    if present > NEWEST:
        raise _too_new(name, present)
    for version in range(present + 1, NEWEST + 1):
        call.run(call.sql.of_schema(MIGRATIONS[version]), {})
    if call.run(call.sql["has_lz4"], {}):
        call.run(call.sql["compress_by_lz4"], {})
    call.run(call.sql["set_schema_version"], {"version": str(NEWEST)})
    call.run(call.sql["commit"], {})


def remove(connections: Connections) -> None:
    """Remove the tables, and the schema if nothing else is in it."""
    connections.write(_remove)


def _remove(call: Call) -> None:
    call.run(call.sql["begin"], {})
    call.run(call.sql["drop_tables"], {})
    [(empty,)] = call.run(call.sql["is_empty"], {"schema": call.sql.schema})
    if empty:
        call.run(call.sql["drop_schema"], {})
    call.run(call.sql["commit"], {})


def _lost(name: str, what: Iterable[str]) -> MigrationError:
    return MigrationError(
        f"{name} has lost {', '.join(what)}: restore a backup; or, if its jobs are not needed, "
        "drop what is left there (tables and functions qml_...) and connect anew"
    )


def _too_new(name: str, present: int) -> MigrationError:
    return MigrationError(
        f"{name} has schema version {present}, made by a newer qml; this is qml {__version__}, "
        f"which knows versions up to {NEWEST}: upgrade it (pip install -U queue-me-later)"
    )
