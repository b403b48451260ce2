"""The Redis driver: one server of Redis or Valkey, any number of processes and machines."""

from .driver import RedisDriver

__all__ = ["RedisDriver"]
