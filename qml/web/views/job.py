"""One job: everything about it that may be shown, and what can be done with it."""

from flask import Response, request

from ...storage import changes
from ...values.errors import QmlError, StorageUnavailable
from ...values.job import Job
from ...values.states import FINAL, StateKind
from .. import acting, answering, facts, paths
from ..board import Board
from .jobs import lines

LISTED = 20
"""Jobs that are named of those it waits for."""


def job(board: Board) -> Response:
    """The page."""
    job_id = request.args.get("id", "").replace("\0", "")
    [found] = board.storage.get_many([job_id]) if job_id else [None]
    if found is None:
        raise changes.not_found(job_id)
    now = board.storage.now()
    [line] = lines(board, [found], now)
    return answering.page(
        board,
        "job.html",
        job=found,
        line=line,
        shown=line.shown,
        kept_back=line.shown.text(board.storage.kept_back([found])[0] or ""),
        facts=list(facts.facts(line.shown, now)),
        history=facts.history(line.shown),
        after=_after(board, found),
        verbs=_verbs(found),
    )


def _after(board: Board, job: Job) -> list[tuple[str, Job | None]]:
    """The jobs that it waits for."""
    ids = job.after[:LISTED]
    return list(zip(ids, board.storage.get_many(ids), strict=True))


def _verbs(job: Job) -> list[str]:
    """What can be done with a job in its state."""
    kind = job.state.kind
    again = (StateKind.FAILED, StateKind.SCHEDULED, StateKind.AWAITING_RETRY)
    verbs = ["retry"] if kind in again else []
    return [*verbs, *([] if kind in FINAL else ["cancel"]), "delete"]


def change(board: Board) -> Response:
    """Retry a job, or cancel it."""
    job_id, verb = request.form.get("id", ""), acting.verb(request.form.get("verb", ""))
    then = paths.to("job", id=job_id)
    try:
        verb.one(board.storage, job_id)
    except StorageUnavailable:
        raise
    except QmlError as error:
        [found] = board.storage.get_many([job_id])
        told = board.shown(found).text(str(error)) if found else str(error)
        return answering.done(board, told, then, well=False)
    finally:
        board.looks.forget()
    return answering.done(board, f"The job was {verb.done}.", then)
