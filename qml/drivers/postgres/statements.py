"""The page of statements, made out to one schema."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache

from ..statements import read_page
from .plans import plan

LOCKS = 1903259468
"""The space of qml's advisory locks: "qml" in ASCII."""

RIPENING, LANES, MIGRATION = "ripening", "lanes", "migration"

PAGES = ("statements.sql", "lanes.sql", "tallies.sql", "examination.sql", "transactions.sql")

OF_QUEUES = ("ripen", "claim", "plain_rows", "open_lanes")
"""Statements that have other parts for some queues than for all; those are named "x_queues"."""

PLANNED = {
    "insert_one_kept": "execute_blindly",
    **dict.fromkeys(("insert_alike_kept", "insert_mixed_kept"), "execute"),
    **dict.fromkeys(("claim", "claim_queues", "move", "hold"), "execute"),
}
"""Those that sessions plan once, and how they are carried out then."""


class Statements(Mapping[str, str]):
    """Whole statements by name. A claim of some queues has other parts than one of all, and so has
    one that has chosen its rows."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self.channel = "qml_" + hashlib.sha256(schema.encode()).hexdigest()[:32]
        page = _page()
        self._texts = {name: self._whole(page, name, "all") for name in page}
        for name in OF_QUEUES:
            self._texts[f"{name}_queues"] = self._whole(page, name, "queues")
        self._texts["claim_chosen"] = self._whole(page, "claim", "chosen", "all")
        self._texts["claim_chosen_queues"] = self._whole(page, "claim", "chosen", "queues")
        self._locks = {purpose: self._lock(purpose) for purpose in (RIPENING, LANES, MIGRATION)}
        self.plans = {
            name: plan(name, self[name], self["prepare"], self[execute])
            for name, execute in PLANNED.items()
        }

    def _whole(self, page: Mapping[str, str], name: str, *of: str) -> str:
        kinds = (*of, "all")
        parts = {**page}
        for part in ("best", "anything", "open", "next_due", "limited"):
            found = (page.get(f"{part}_of_{kind}") for kind in kinds)
            parts[part] = next(text for text in found if text is not None)
        text, before = page[name], ""
        while text != before:
            before, text = text, _replaced(text, parts)
        return self.of_schema(text)

    def of_schema(self, text: str) -> str:
        """The text with the names of this schema and its channel. A name that has a brace in it
        comes last, so that nothing is put in its place."""
        return _replaced(text, {"schema": quoted(self.schema), "channel": self.channel})

    def lock(self, purpose: str) -> int:
        """The number of an advisory lock of this schema."""
        return self._locks[purpose]

    def _lock(self, purpose: str) -> int:
        digest = hashlib.sha256(f"{purpose} {self.schema}".encode()).digest()
        return int.from_bytes(digest[:4], signed=True)

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


@cache
def _page() -> dict[str, str]:
    package = "qml.drivers.postgres"
    return {name: text for page in PAGES for name, text in read_page(package, page).items()}


def _replaced(text: str, parts: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: parts.get(found[1], found[0]), text)


def quoted(name: str) -> str:
    """A name as SQL has it, in a statement that has parameters."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'
