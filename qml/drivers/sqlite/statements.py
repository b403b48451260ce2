"""The pages of statements, read once."""

from ..statements import read_statements

PAGES = ("statements.sql", "sharing.sql")

FRAGMENTS = (
    *("columns", "jobs", "claimable", "free", "claimed"),
    *("lapsed_claim", "may_live", "paused"),
)

SQL = read_statements("qml.drivers.sqlite", PAGES, *FRAGMENTS)
