"""The PostgreSQL driver: one schema of a database, any number of machines."""

from .driver import PostgresDriver

__all__ = ["PostgresDriver"]
