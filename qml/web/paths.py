"""Addresses of the dashboard's own pages, wherever it is mounted."""

from typing import Any

from flask import request, url_for


def to(page: str, **parameters: Any) -> str:
    """The address of a page of the dashboard that answers this request. What is named by people
    (queues, jobs, servers) goes into the query, where every text is as good as another."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", ())}
    return url_for(f".{page}", **given)


def root() -> str:
    """The path that all of them begin with, without the slash at its end."""
    return to("overview").rstrip("/")


def is_ours(path: str) -> bool:
    """Whether this is a path below the dashboard, and surely not another site's address."""
    plain = path.isprintable() and "\\" not in path
    return plain and path.startswith(f"{root()}/") and not path.startswith("//")


def asked_for() -> str:
    """The path of this request with its query, as a browser has it."""
    return request.script_root + request.full_path.rstrip("?")
