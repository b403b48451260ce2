"""What runs in a spawned process: it takes calls from a pipe, one after the other, and answers."""

import importlib
import inspect
import logging
import os
import queue
import signal
import sys
import threading
import time
from traceback import format_exception
from typing import TYPE_CHECKING, Any

from ..values import records
from ..values.errors import ConfigurationError, StorageUnavailable
from ..values.job import Job
from . import joblog
from .executor import Outcome, Raised, Runnable, describe, execute
from .messages import Message, name_of, packed, receive, send, told
from .runs import Run
from .task import Task

if TYPE_CHECKING:  # importing qml shall not import multiprocessing
    from multiprocessing.connection import Connection

NAME = "qml-process"
"""What each such process is called."""

UNGUARDED = 78
"""Exit code of a process whose main module would start a server when it is imported."""

HARMLESS = {signal.SIGINT, signal.SIGTERM}
"""Signals that whole groups of processes get. The server obeys them; its processes obey it."""

NOTES = 0.2
"""Seconds between two looks at what a task has noted."""

_ready = False


def main(pipe: "Connection", level: int) -> None:
    """Serve calls until told to end; die when the server does. ``level``: what the server logs."""
    global _ready  # noqa: PLW0603
    _ready = True
    _stand_apart()
    calls = _Calls(pipe)
    joblog.install()
    if not logging.root.handlers:
        logging.basicConfig(level=level, handlers=[_ToServer(calls)])
    threading.Thread(target=calls.listen, name="qml-pipe", daemon=True).start()
    calls.serve()


def end_if_unguarded() -> None:
    """End a spawned process that is importing its main module, if that starts a server there: it
    would run jobs, and spawn. The server that has spawned it says what is wrong."""
    spawning = sys.modules.get("multiprocessing.process")
    if spawning is not None and not _ready and spawning.current_process().name == NAME:
        raise SystemExit(UNGUARDED)


# -- life and death ------------------------------------------------------------------------------


def _stand_apart() -> None:
    """Have a process group of its own: Ctrl-C in a terminal is not meant for it, and a kill also
    takes what a task has started."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    # A handler is not inherited by programs that a task starts, as SIG_IGN would be; in what it
    # forks, such as the workers of a multiprocessing.Pool, signals are to do as usual.
    usual = {number: signal.signal(number, lambda number, frame: None) for number in HARMLESS}
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _as_usual(usual))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HARMLESS)
    if sys.platform == "linux":
        _die_with_the_server()


def _as_usual(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler or signal.SIG_DFL)


def _die_with_the_server() -> None:
    """Have the kernel kill this process and its group when the server's end of a pipe is closed:
    the thread that listens could not, while a task keeps the GIL."""
    import fcntl
    import multiprocessing

    server = multiprocessing.parent_process()
    if server is not None:
        end = server.sentinel
        fcntl.fcntl(end, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)


def _die() -> None:
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


# -- calls ---------------------------------------------------------------------------------------


class _Calls:
    """A thread listens; the main one, in which Python handles signals, runs the tasks."""

    def __init__(self, pipe: "Connection") -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._calls: queue.SimpleQueue[tuple[Run, Message] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool | str] = queue.SimpleQueue()
        self._run: Run | None = None

    def send(self, message: Message) -> None:
        """Send a message to the server; any thread may."""
        with self._sending:
            send(self._pipe, message)

    def listen(self) -> None:
        """Take messages until told to end, and pass on what the task notes."""
        try:
            while "end" not in (message := self._next()):
                self._take(message)
            self._calls.put(None)
        except BaseException:  # the server is gone, or talks nonsense
            _die()

    def _next(self) -> Message:
        while self._run is not None and not self._run.ended and not self._pipe.poll(NOTES):
            turn = self._run.notes.turn
            if turn.acquire(blocking=False):  # or else who holds it waits for this thread
                with self._sending:
                    self._note(self._run)
                turn.release()
        return receive(self._pipe)

    def _note(self, run: Run) -> None:
        if run.has_news and not run.ended:
            send(self._pipe, {"notes": records.to_dict(run.notes.take())})
            run.notes.written(kept=False)

    def keep(self, run: Run) -> bool:
        """Have the server write what a run has noted: see ``Writer``."""
        with run.notes.turn:
            with self._sending:
                if run.ended:  # a thread that its task has left behind
                    return False
                send(self._pipe, {"keep": records.to_dict(run.notes.take())})
            answer = self._answers.get()
            if isinstance(answer, str):
                raise StorageUnavailable(answer)
            run.notes.written(kept=answer)
        return answer

    def _take(self, message: Message) -> None:
        if "call" in message:
            call = message["call"]
            claimed_at = time.monotonic() - call["age"]
            self._run = Run(Job.from_json(call["job"]), claimed_at=claimed_at)
            if call["lease_seconds"] is not None:
                self._run.writer = _Asking(self, call)
            self._calls.put((self._run, call))
        if "kept" in message:
            self._answers.put(message["kept"])
        for flag, value in message.get("flags", {}).items():
            setattr(self._run, flag, value)

    def serve(self) -> None:
        """Run what is called until told to end."""
        self.send({"ready": True})
        while (call := self._calls.get()) is not None:
            run = call[0]
            outcome = packed(self._execute(*call))
            with run.notes.turn, self._sending:
                self._note(run)
                run.ended = True  # what it notes from now on would be taken for the next run's
                send(self._pipe, {"outcome": outcome})

    def _execute(self, run: Run, call: Message) -> Outcome:
        try:
            module, qualname = call["task"]
            task = find(module, qualname, run.job.method)
            _check_middleware(task, call["around"])
        except BaseException as error:
            return _not_found(call, error)
        self.send({"began": True})
        return execute(run, {run.job.method: task}, call["max_result_bytes"])


class _Asking:
    """Has the server write down what a run in this process notes."""

    def __init__(self, calls: _Calls, call: Message) -> None:
        self._calls = calls
        self.lease_seconds: float = call["lease_seconds"]
        self.max_bytes: int = call["max_result_bytes"]

    def write_now(self, run: Run) -> bool:
        """Ask, and wait for the answer."""
        return self._calls.keep(run)


class _ToServer(logging.Handler):
    """What is logged in a process that has set up no handlers goes through the server's."""

    def __init__(self, calls: _Calls) -> None:
        super().__init__()
        self._calls = calls

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on."""
        try:
            self._calls.send({"log": told(record)})
        except Exception:
            self.handleError(record)


# -- the task ------------------------------------------------------------------------------------


def find(module: str, qualname: str, name: str) -> Runnable:
    """The task ``name``: what the function's own name leads to, below decorators if need be, or
    another name in its module. ``__main__`` is the server's script, imported by multiprocessing."""
    home = importlib.import_module(module)
    found: Any = home
    for part in qualname.split("."):
        found = getattr(found, part)
    found = inspect.unwrap(found, stop=lambda inner: type(inner) is Task)
    for task in (found, *vars(home).values()):
        if type(task) is Task and task.name == name:  # no isinstance, which wakes up lazy objects
            return task
    raise LookupError(f"no name in module {module} leads to task {name!r}")


def _check_middleware(task: Runnable, around: list[list[str]]) -> None:
    """What goes around a task in the server goes around it here, or it does not run."""
    here = [name_of(middleware) for middleware in task.middleware]
    for middleware in around:
        if middleware not in here:
            raise LookupError(
                f"{'.'.join(middleware)} goes around the app's runs, and is not known there; "
                "declare it in the module of the app"
            )


def _not_found(call: Message, error: BaseException) -> Raised:
    why = (
        f"{'.'.join(call['task'])} cannot run in a process of its own, as process=True asks for: "
        f"{describe(error)}. Put @task(process=True) on a def at the top level of a module that "
        "can be imported, not in a notebook or at a prompt"
    )
    return Raised(f"{ConfigurationError.__name__}: {why}", "".join(format_exception(error)))
