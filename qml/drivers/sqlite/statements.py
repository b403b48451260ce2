"""The page of statements, read once."""

from ..statements import read_statements

FRAGMENTS = ("columns", "jobs", "claimable", "lapsed_claim")

SQL = read_statements("qml.drivers.sqlite", "statements.sql", *FRAGMENTS)
