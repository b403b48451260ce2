"""The verbs of the seam on a Redis or Valkey server."""

from collections.abc import Sequence
from typing import Any

from ...seam.findings import Findings
from ...seam.lanes import Used
from ...seam.rows import (
    Change,
    Claim,
    Claimed,
    Finished,
    Hold,
    Inserted,
    Obstacle,
    Overdue,
    Page,
    Query,
    Record,
    Row,
    Verdict,
    Write,
)
from ...seam.tallies import Parents, Tally
from ...values.config import RedisConfig
from ..listening import Hinted, Wakeups
from . import adding, examination, schema, texts
from .connections import Connections
from .feed import Hints, channel
from .mending import Mending
from .pages import Pages
from .scripts import Script, alone, reading, writing

ADD = alone("add")
INSERT, SWAP = writing("append", "records", "insert"), writing("append", "swap")
CLAIM, HOLD, LET_GO = (
    writing("lapse", "choose", "claim"),
    writing("lapse", "hold"),
    writing("let_go"),
)
ERASE, TALLY, WRITE_RECORD = writing("erase"), writing("tally"), writing("records", "write_record")
LOAD, USED, LIST_RECORDS = reading("load"), reading("used"), reading("list_records")


class RedisDriver:
    """Rows in a Redis or Valkey server. Every verb that writes is one Lua script."""

    def __init__(self, config: RedisConfig) -> None:
        self._config = config
        self._connections = Connections(config)
        self._wakeups = Wakeups(
            self._connections.name, lambda: Hints(self._connections), self._publish
        )
        self._hinted = Hinted()
        self._mending = Mending(self._connections)
        self._pages = Pages(self._connections, self._mending.suspect)
        self._connections.when_forked(self._begin_anew)

    # -- rows ----------------------------------------------------------------------------------

    def insert(
        self,
        rows: Sequence[Row],
        record: Write | None = None,
        parents: Sequence[Parents] = (),
    ) -> Inserted:
        """See Driver.insert."""
        if not rows and record is None:
            return Inserted([], [])
        if record is None and not parents and (order := adding.words(rows)):
            first = self._send(ADD, order[0], order[1:])
            if first:
                return self._inserted(int(first), len(rows))
        beside = texts.Beside()
        order = texts.insert_texts(rows, record, parents, beside)
        first, obstacles = texts.loads(self._write(INSERT, order, beside))
        if obstacles:
            return Inserted([], [Obstacle(int(at), by, holder) for at, by, holder in obstacles])
        return self._inserted(int(first), len(rows))

    def _inserted(self, first: int, many: int) -> Inserted:
        self._told(True)
        return Inserted([*range(first, first + many)], [])

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        """See Driver.load."""
        answer = self._connections.read(LOAD, texts.dumps(list(ids)))
        return [row and texts.row_of(row, answer) for row in texts.loads(answer)]

    def holder(self, unique_key: str) -> str | None:
        """See Driver.holder."""
        found = self._connections.ask("HGET", f"{self._connections.base}keys", unique_key)
        return None if found is None else str(found, "utf-8", "replace")

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """See Driver.swap."""
        beside = texts.Beside()
        order = [texts.change_texts(change, beside) for change in changes]
        verdicts = texts.verdicts(self._write(SWAP, order, beside))
        self._told(Verdict.DONE in verdicts)
        return verdicts

    def claim(self, claim: Claim) -> Claimed:
        """See Driver.claim. One that finds nothing writes nothing."""
        answer = self._write(CLAIM, texts.claim_texts(claim))
        due, rows, wrong = texts.loads(answer)
        self._mending.heed(wrong)
        return Claimed(texts.rows_of(rows, answer), texts.micros(due) if due else None)

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """See Driver.hold."""
        beside = texts.Beside()
        order = [texts.hold_texts(hold, beside) for hold in holds]
        return texts.verdicts(self._write(HOLD, order, beside))

    def let_go(
        self, job_id: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """See Driver.let_go."""
        order = texts.let_go_texts(job_id, worker, now, claim)
        [verdict] = texts.verdicts(self._write(LET_GO, order))
        return verdict

    def scan(self, query: Query) -> list[Row]:
        """See Driver.scan. A long one is read in steps."""
        return self._pages.scan(query)

    def count(self, page: Page, by: str) -> dict[str, int]:
        """See Driver.count."""
        return self._pages.count(page, by)

    def erase(self, target: Finished | Overdue | Sequence[str], limit: int) -> int:
        """See Driver.erase. The purge of finished rows is also when indexes are checked."""
        if isinstance(target, Finished | Overdue):
            self._mending.step()
        erased, wrong = texts.loads(self._write(ERASE, texts.erase_texts(target, limit)))
        self._mending.heed(wrong)
        return int(erased)

    def used(self, now: int, permits: Sequence[str], paces: Sequence[str]) -> Used:
        """See Driver.used."""
        order = texts.dumps([texts.moment(now), list(permits), list(paces)])
        return texts.used_of(*texts.loads(self._connections.read(USED, order)))

    def tally(self, name: str, more: bool | None = None, failed: int | None = None) -> Tally | None:
        """See Driver.tally."""
        if more is None and failed is None:
            stored = self._connections.ask("HGET", f"{self._connections.base}tallies", name)
        else:
            stored = self._write(TALLY, texts.tally_texts(name, more, failed))
        return texts.tally_of(stored)

    # -- records -------------------------------------------------------------------------------

    def read(self, name: str) -> Record | None:
        """See Driver.read."""
        found = self._connections.ask("HGET", f"{self._connections.base}records", name)
        return None if found is None else _record(name, found.decode("utf-8", "replace"))

    def write(self, name: str, body: str | None, expected: int) -> Verdict:
        """See Driver.write."""
        [verdict] = texts.verdicts(self._write(WRITE_RECORD, [name, body, str(expected)]))
        return verdict

    def list(self, prefix: str) -> "list[Record]":
        """See Driver.list."""
        found = texts.loads(self._connections.read(LIST_RECORDS, prefix.encode()))
        return [_record(name, stored) for name, stored in found]

    # -- wakeups and life ----------------------------------------------------------------------

    def notify(self) -> None:
        """See Driver.notify."""
        if not self._hinted.take():
            self._wakeups.notify()

    def wait(self, timeout: float) -> bool:
        """See Driver.wait."""
        return self._wakeups.wait(timeout)

    def _publish(self) -> None:
        self._connections.ask("PUBLISH", channel(self._connections), self._connections.origin)

    def install(self) -> None:
        """See Driver.install."""
        schema.install(self._connections, create=self._config.create)

    def uninstall(self) -> None:
        """See Driver.uninstall."""
        schema.remove(self._connections)
        self.close()

    def time(self) -> int:
        """See Driver.time: the server's."""
        seconds, micros = self._connections.ask("TIME")
        return int(seconds) * 1_000_000 + int(micros)

    def describe(self) -> str:
        """See Driver.describe."""
        return self._connections.name

    def versions(self) -> Sequence[str]:
        """Of the library and of the server, which is asked."""
        return examination.versions(self._connections)

    def examine(self) -> Findings:
        """See Driver.examine."""
        return examination.examine(self._connections, self._config)

    def close(self) -> None:
        """See Driver.close."""
        self._wakeups.close()
        self._connections.close()

    def _begin_anew(self) -> None:
        """In a forked child."""
        self._wakeups.begin_anew()
        self._mending.begin_anew()

    def _told(self, told: bool) -> None:
        """Whether a script has hinted: then who waits here is woken at once, and all are told."""
        self._hinted.in_step = told
        if told:
            self._wakeups.wake()

    def _write(self, script: Script, order: Any, beside: Sequence[bytes] = ()) -> Any:
        return self._send(script, texts.dumps(order), beside)

    def _send(self, script: Script, order: bytes, beside: Sequence[bytes]) -> Any:
        self._hinted.in_step = False
        return self._connections.write(script, order, beside)


def _record(name: str, stored: str) -> Record:
    version, _, body = stored.partition(" ")
    return Record(name, int(version), body)
