"""``qml jobs``: list, show, retry, cancel, delete and purge jobs."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from ..seam.rows import Move
from ..storage import changes, rules, selecting, terms
from ..storage.storage import Storage
from ..values.errors import ConfigurationError, InvalidTransition
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.states import FINAL, JobState, StateKind, Succeeded
from ..values.texts import as_json, say, terminal_width
from ..work.purging import Purge
from . import bulk, codes, describing, settings, stores
from .figures import counted
from .logs import warnings_of_qml
from .settings import Setting
from .verbs import add_verb, each

LIMIT = Setting("limit", "QML_LIMIT", settings.number(0), 20, "how many at most (20)", "N")
OFFSET = Setting("offset", "QML_OFFSET", settings.number(0), 0, "leave out the newest N (0)", "N")
REASON = Setting("reason", "QML_REASON", settings.text, None, "is kept with the job", "TEXT")


def add_to(commands: Any) -> None:
    """Add the commands to ``qml``."""
    about = "Look at jobs, and change what becomes of them."
    parser = commands.add_parser(
        "jobs", help="list, show, retry, cancel, delete, purge", description=about
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_list(verbs)
    shower = add_verb(verbs, "show", "everything about one job", show, (stores.URL, stores.JSON))
    shower.add_argument("id", metavar="ID")
    for name, help_text, command in (
        ("retry", "run jobs again that failed or wait", retry),
        ("cancel", "have jobs not run, or tell their run to stop", cancel),
        ("delete", "remove the records of jobs", delete),
    ):
        verb = add_verb(verbs, name, help_text, command, (stores.URL, bulk.YES))
        verb.add_argument("ids", metavar="ID", nargs="*")
        bulk.add_filters(verb)
        if command is cancel:
            settings.add(verb, (REASON,))
    about = "remove what has ended: all whose retention is over, or those that flags name"
    bulk.add_filters(add_verb(verbs, "purge", about, purge, (stores.URL, bulk.YES)))


def _add_list(verbs: Any) -> None:
    parser = add_verb(
        verbs, "list", "the newest jobs first", listed, (stores.URL, stores.JSON, LIMIT, OFFSET)
    )
    bulk.add_filters(parser)


def _open(arguments: argparse.Namespace) -> Storage:
    return stores.open_existing(arguments.url)


def listed(arguments: argparse.Namespace) -> int:
    """Print a page of jobs."""
    with warnings_of_qml(lambda _: None), _open(arguments) as storage:
        found = _page(storage, arguments)
        kept_back, now = storage.kept_back(found), storage.now()
    if arguments.json:
        say(as_json([json.loads(job.to_json()) for job in found]))
    elif not found:
        say("No job.")
    else:
        for line in describing.page(found, now, terminal_width(), kept_back):
            say(line)
    return codes.DONE


def _page(storage: Storage, arguments: argparse.Namespace) -> list[Job]:
    where, first = bulk.filter_of(arguments), arguments.offset
    if where is not None and (where.looks_within or where.batch is not None):
        return list(islice(storage.select(where), first, first + arguments.limit))
    return storage.list(
        arguments.state,
        arguments.limit,
        first,
        queue=arguments.queue,
        method=arguments.method,
    )


def show(arguments: argparse.Namespace) -> int:
    """Print everything about a job."""
    with warnings_of_qml(lambda _: None), _open(arguments) as storage:
        [job] = storage.get_many([arguments.id])
        kept_back = storage.kept_back([job]) if job is not None else [None]
        now = storage.now()
    if job is None:
        raise changes.not_found(arguments.id)
    if arguments.json:
        say(as_json(json.loads(job.to_json())))
        return codes.DONE
    for line in describing.everything(job, now, kept_back[0]):
        say(line)
    return codes.DONE


def retry(arguments: argparse.Namespace) -> int:
    """Have jobs run again."""
    return _each(
        arguments,
        ("retry", "enqueued again"),
        lambda storage, job_id: storage.retry(job_id),
        lambda storage, where: storage.retry_many(where),
        (StateKind.FAILED,),
    )


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel jobs. One that has succeeded is refused: its result would be gone."""
    return _each(
        arguments,
        ("cancel", "cancelled"),
        lambda storage, job_id: _cancel(storage, job_id, arguments.reason),
        lambda storage, where: storage.cancel_many(where, arguments.reason),
        selecting.UNFINISHED,
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

    return _each(
        arguments, ("delete", "deleted"), remove, lambda storage, where: storage.delete_many(where)
    )


def purge(arguments: argparse.Namespace) -> int:
    """Remove what has ended, in steps that hold nobody up."""
    where = bulk.filter_of(arguments)
    with warnings_of_qml(lambda _: None), _open(arguments) as storage:
        if where is None:
            storage.retention = terms.told(storage)
            removed = sum(iter(Purge(storage, time.monotonic).take, 0))
        else:
            where = selecting.within(where, sorted(FINAL))
            if not FINAL.issuperset(where.states or ()):
                raise ConfigurationError("purge removes what has ended; see qml jobs delete")
            removed = bulk.agreed(arguments, storage, where, "purge") and storage.delete_many(where)
    say(f"{counted(removed, 'job')} purged")
    return codes.DONE


def _each(
    arguments: argparse.Namespace,
    words: tuple[str, str],
    change: Callable[[Storage, str], object],
    change_many: Callable[[Storage, JobFilter], int],
    states: Sequence[StateKind] = tuple(StateKind),
) -> int:
    """Change each job that is named, or all that the flags name; a refusal does not stop the
    others. ``words``: what is to be done, and what was; ``states``: those meant if none is named.
    """
    where = bulk.filter_of(arguments)
    if bool(arguments.ids) == (where is not None):
        raise ConfigurationError(
            f"which jobs? Give ids, or flags that name jobs: qml jobs {words[0]} --help"
        )
    with warnings_of_qml(lambda _: None), _open(arguments) as storage:
        if where is None:
            return _one_by_one(storage, arguments.ids, words[1], change)
        where = selecting.within(where, states)
        if bulk.agreed(arguments, storage, where, words[0]):
            say(f"{counted(change_many(storage, where), 'job')} {words[1]}")
    return codes.DONE


def _one_by_one(
    storage: Storage, ids: Sequence[str], done: str, change: Callable[[Storage, str], object]
) -> int:
    def changed(job_id: str) -> str:
        change(storage, job_id)
        return done

    return each(ids, changed)
