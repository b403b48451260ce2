"""A second migration, since there is but one yet: what an upgrade of qml will bring."""

import importlib

NEWEST = 2

_SECOND = {
    "sqlite": (
        "ALTER TABLE qml_jobs ADD COLUMN noted TEXT;\n"
        "UPDATE qml_jobs SET noted = id;\n"
        "CREATE TABLE qml_notes (name TEXT PRIMARY KEY) WITHOUT ROWID;\n"
        "CREATE INDEX qml_jobs_noted ON qml_jobs (noted);\n"
    ),
    "postgres": (
        "ALTER TABLE {schema}.qml_jobs ADD COLUMN noted text;\n"
        "UPDATE {schema}.qml_jobs SET noted = id;\n"
        "CREATE TABLE {schema}.qml_notes (name text PRIMARY KEY);\n"
        "CREATE INDEX qml_jobs_noted ON {schema}.qml_jobs (noted);\n"
    ),
}


def use(version: int) -> None:
    """From now on this process's qml has the schema of that version. Redis has no migrations."""
    for name, second in _SECOND.items():
        schema = importlib.import_module(f"qml.drivers.{name}.schema")
        schema.MIGRATIONS.pop(NEWEST, None)
        if version == NEWEST:
            schema.MIGRATIONS[NEWEST] = second
        schema.NEWEST = version
