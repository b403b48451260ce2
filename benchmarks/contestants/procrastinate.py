"""procrastinate as it comes, on PostgreSQL: a worker whose plain functions run in threads.

It keeps whether a job succeeded, and not the value that it returned.
"""

# mypy: disable-error-code="import-not-found"

import logging

import psycopg
from procrastinate import App, PsycopgConnector

from ..loops import PAYLOAD, THREADS, enter, split

logging.getLogger("procrastinate").setLevel(
    logging.ERROR
)  # it does not like to be made in a script


class Contestant:
    """An app, its tables in the schema, with a task that does nothing."""

    def __init__(self, url: str) -> None:
        address, settings = split(url)
        schema = settings["schema_name"]
        with psycopg.connect(address) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        self._app = App(
            connector=PsycopgConnector(
                conninfo=address,
                kwargs={"options": f"-c search_path={schema}"},
                max_size=THREADS + 2,
            )
        )
        self._nothing = self._app.task(name="nothing")(self._run)
        self._app.open()
        self._app.schema_manager.apply_schema()

    def _run(self, text: str) -> int:
        return 1

    def enqueue(self) -> None:
        """See loops.Contestant."""
        self._nothing.defer(text=PAYLOAD)

    def enqueue_many(self, many: int) -> None:
        """See loops.Contestant."""
        self._nothing.batch_defer(*[{"text": PAYLOAD}] * many)

    def drain(self, size: int) -> None:
        """A worker does them and ends."""
        self._app.run_worker(concurrency=THREADS, wait=False)

    def close(self) -> None:
        """See loops.Contestant."""
        self._app.close()


if __name__ == "__main__":
    enter(Contestant)
