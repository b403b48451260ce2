"""The page of statements, read once."""

from ..statements import read_statements

SQL = read_statements("qml.drivers.sqlite", "statements.sql", "columns", "jobs")
