"""Records: small named documents with a version."""

from ...seam.rows import Verdict
from .connections import Call


def write(call: Call, name: str, body: str | None, expected: int) -> Verdict:
    """Store or remove a record, if its version is the expected one. When the reply to an earlier
    try was lost, a record that is not there now was removed by it."""
    values = {"name": name, "body": body, "expected": expected}
    if body is not None:
        statement = "change_record" if expected else "create_record"
        done = bool(call.run(call.sql[statement], values))
    elif expected and call.run(call.sql["remove_record"], values):
        done = True
    else:
        there = bool(call.run(call.sql["read_record"], values))
        done = not there and (expected == 0 or call.again)
    return Verdict.DONE if done else Verdict.STALE
