"""``qml jobs``: list, show, retry, cancel and delete jobs."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from ..seam.rows import Move
from ..storage import changes, rules
from ..storage.storage import Storage
from ..values.errors import InvalidTransition, QmlError, StorageUnavailable
from ..values.job import Job
from ..values.states import JobState, StateKind, Succeeded
from . import codes, describing, settings, stores
from .logs import warnings_of_qml
from .settings import Setting
from .texts import as_json, complain, plain, say, terminal_width

LIMIT = Setting("limit", "QML_LIMIT", settings.number(0), 20, "how many at most (20)", "N")


def add_to(commands: Any) -> None:
    """Add the commands to ``qml``."""
    about = "Look at jobs, and change what becomes of them."
    parser = commands.add_parser(
        "jobs", help="list, show, retry, cancel, delete", description=about
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_list(verbs)
    shower = _add(verbs, "show", "everything about one job", show, (stores.URL, stores.JSON))
    shower.add_argument("id", metavar="ID")
    for name, help_text, command in (
        ("retry", "run jobs again that failed or wait", retry),
        ("cancel", "have jobs not run, or tell their run to stop", cancel),
        ("delete", "remove the records of jobs", delete),
    ):
        verb = _add(verbs, name, help_text, command, (stores.URL,))
        verb.add_argument("ids", metavar="ID", nargs="+")
        if command is cancel:
            verb.add_argument("--reason", metavar="TEXT", help="is kept with the job")


def _add(verbs: Any, name: str, about: str, command: Any, given: tuple[Setting, ...]) -> Any:
    parser = verbs.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
    settings.add(parser, given)
    parser.set_defaults(command=command)
    return parser


def _add_list(verbs: Any) -> None:
    parser = _add(verbs, "list", "the newest jobs first", listed, (stores.URL, stores.JSON, LIMIT))
    parser.add_argument(
        "--state",
        action="append",
        choices=[kind.value for kind in StateKind],
        help=f"only this one of {', '.join(StateKind)}; may be given several times",
        metavar="STATE",
    )
    parser.add_argument("--queue", metavar="QUEUE", help="only of this queue")
    parser.add_argument("--method", metavar="METHOD", help="only of this task")
    parser.add_argument("--offset", metavar="N", type=int, default=0, help="leave out the newest N")


def _open(arguments: argparse.Namespace) -> Storage:
    return stores.open_existing(arguments.url)


def listed(arguments: argparse.Namespace) -> int:
    """Print a page of jobs."""
    with warnings_of_qml(lambda _: None), _open(arguments) as storage:
        found = storage.list(
            arguments.state,
            arguments.limit,
            arguments.offset,
            queue=arguments.queue,
            method=arguments.method,
        )
        now = storage.now()
    if arguments.json:
        say(as_json([json.loads(job.to_json()) for job in found]))
    elif not found:
        say("No job.")
    else:
        for line in describing.page(found, now, terminal_width()):
            say(line)
    return codes.DONE


def show(arguments: argparse.Namespace) -> int:
    """Print everything about a job."""
    with warnings_of_qml(lambda _: None), _open(arguments) as storage:
        [job] = storage.get_many([arguments.id])
        now = storage.now()
    if job is None:
        raise changes.not_found(arguments.id)
    if arguments.json:
        say(as_json(json.loads(job.to_json())))
        return codes.DONE
    for line in describing.everything(job, now):
        say(line)
    return codes.DONE


def retry(arguments: argparse.Namespace) -> int:
    """Have jobs run again."""
    return _each(arguments, "enqueued again", lambda storage, job_id: storage.retry(job_id))


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel jobs. One that has succeeded is refused: its result would be gone."""
    return _each(
        arguments, "cancelled", lambda storage, job_id: _cancel(storage, job_id, arguments.reason)
    )


def _cancel(storage: Storage, job_id: str, reason: str | None) -> None:
    """As ``storage.cancel``, but a job that succeeds, if only just now, is refused."""
    now = storage.clock.micros()

    def rule(job: Job) -> tuple[Move, JobState]:
        if isinstance(job.state, Succeeded):
            raise InvalidTransition(
                f"job {job.id} ({job.method}) has succeeded: there is nothing to cancel; to remove "
                "its record: qml jobs delete",
                job_id=job.id,
            )
        return rules.cancel(job, reason, now)

    changes.apply(storage.driver, job_id, rule)
    storage.driver.notify()


def delete(arguments: argparse.Namespace) -> int:
    """Remove the records of jobs."""

    def remove(storage: Storage, job_id: str) -> None:
        if not storage.delete(job_id):
            raise changes.not_found(job_id)

    return _each(arguments, "deleted", remove)


def _each(
    arguments: argparse.Namespace, done: str, change: Callable[[Storage, str], object]
) -> int:
    """Change each job, and report it; a refusal does not stop the others."""
    code = codes.DONE
    with warnings_of_qml(lambda _: None), _open(arguments) as storage:
        for job_id in dict.fromkeys(arguments.ids):
            try:
                change(storage, job_id)
            except StorageUnavailable:
                raise
            except QmlError as error:
                complain(str(error))
                code = codes.FAILED
            else:
                say(f"{plain(job_id)}  {done}")
    return code
