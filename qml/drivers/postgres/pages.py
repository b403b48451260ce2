"""Reading many rows: pages, what is available, lapsed or expired, counts."""

from ...seam.onlooking import Batches, Oldest
from ...seam.rows import After, Available, Expired, Lapsed, Page, Query, Row, as_row
from . import arrays
from .connections import Connections

STATEMENTS = {
    Available: "available",
    Lapsed: "lapsed",
    Expired: "expired",
    After: "after",
    Oldest: "oldest",
    Batches: "batches",
}


def scan(connections: Connections, query: Query) -> list[Row]:
    """The rows a query names, in its order."""
    values = query._asdict()
    if isinstance(query, Page):
        filtered = (query.states, query.queue, query.method) != (None, None, None)
        statement = "page_of_groups" if filtered else "page"
        if query.batch is not None:
            statement = "page_of_batch"
        if query.states is not None:
            values["states"] = arrays.literal(dict.fromkeys(query.states))
    else:
        statement = STATEMENTS[type(query)]
    return [*map(as_row, connections.ask(statement, values))]


def count(connections: Connections, page: Page, by: str) -> dict[str, int]:
    """How many rows the filters of a page leave, by a column."""
    if by not in {"state", "queue", "method"}:
        raise ValueError(f"count by {by!r}; give state, queue or method")
    statement = connections.sql["count"].replace("{by}", by)
    states = None if page.states is None else arrays.literal(page.states)
    values = page._asdict() | {"states": states}
    return dict(connections.read(lambda call: call.run(statement, values)))
