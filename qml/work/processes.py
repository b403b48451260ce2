"""Runs tasks in spawned processes, which can be killed, and do not share the server's GIL."""

import atexit
import logging
import os
import signal
import threading
import weakref
from collections.abc import Mapping
from traceback import format_exception
from typing import TYPE_CHECKING

from ..values.errors import CapacityExceeded, StorageUnavailable
from ..values.notes import Notes, notes_from_dict
from ..values.patience import Patience
from .child import UNGUARDED
from .executor import Outcome, Raised, Runnable, Snoozed, describe, execute
from .messages import Message, call_of, retell, unpacked
from .notebook import Notebook
from .runs import Run

if TYPE_CHECKING:  # a server without such tasks shall not import multiprocessing
    from .spawned import Spawned

log = logging.getLogger("qml.server")

TICK = 0.1
"""Seconds between two looks at whether a run is cancelled, lost or over its time."""

GRACE = 5.0
"""Seconds that a task has to end by itself once it is told that its job was cancelled or lost."""

START = 60.0
"""Seconds that a process has to import the main module, and then again to import a task's."""

FAREWELL = 2.0
"""Seconds that idle processes have to end by themselves when the server stops."""

GONE = 10.0
"""Seconds that a killed process may take to be gone; one that hangs in a device takes longer."""

GUARD = "keep what a script runs under: if __name__ == '__main__'"

IMPORTED = f"it imports the main module first, which may have failed or run on; {GUARD}"

STARTS = f"a spawned process imports the main module first, which starts a server; {GUARD}"

FLAGS = ("cancelled", "lost")
"""What a task is told while it runs."""


class NotStarted(Exception):
    """Why there is no process for a run."""


class Processes:
    """The spawned processes of a server: each started when first needed, then kept, and used by
    one thread at a time. So there are never more than there are threads that run jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: set[Spawned] = set()
        self._idle: list[Spawned] = []
        self._closed = self._leaves_at_exit = False
        self._useless: str | None = None
        self._server_pid = os.getpid()

    def execute(self, run: Run, tasks: Mapping[str, Runnable], max_result_bytes: int) -> Outcome:
        """What comes of a run: in a process if its task asks for one, or else in this thread."""
        task = tasks.get(run.job.method)
        if task is None or not getattr(task, "process", False) or run.job.damage is not None:
            return execute(run, tasks, max_result_bytes)
        try:
            return self._execute(run, task, max_result_bytes)
        except Exception as error:  # no thread may end of it
            return Raised(describe(error), "".join(format_exception(error)))

    def _execute(self, run: Run, task: Runnable, max_result_bytes: int) -> Outcome:
        try:
            process = self._borrow()
        except NotStarted as error:
            return self._failed(run, f"did not begin: {error}")
        try:
            if run.lost:  # while it was waited for
                return Snoozed(0.0)
            return Attempt(process, run).outcome(call_of(run, task, max_result_bytes))
        except BaseException as error:
            process.kill()  # what it has started, too
            if not isinstance(error, EOFError):
                raise
            if process.used and run.started_at is None:  # it died while it was idle
                return self._execute(run, task, max_result_bytes)
            return self._failed(run, f"ended: its process {_end_of(process)}")
        finally:
            self._give_back(process)

    def _failed(self, run: Run, why: str) -> Outcome:
        if self._closed:
            return Snoozed(0.0)  # back to the store, uncharged, if it is still ours to give back
        return Raised(f"ChildProcessError: attempt {run.job.attempt} {why}", "")

    # -- lending -------------------------------------------------------------------------------

    def _borrow(self) -> "Spawned":
        with self._lock:
            if self._useless:
                raise NotStarted(self._useless)
            if self._idle and not self._closed:
                return self._idle.pop()
        process = self._start()
        try:
            self._await_ready(process)
        except BaseException as error:
            why = self._why_not(process) if isinstance(error, EOFError) else ""
            process.kill()
            self._give_back(process)
            if not why:
                raise
            raise NotStarted(why) from None
        return process

    def _start(self) -> "Spawned":
        from . import spawned

        with self._lock:
            if self._closed:
                raise NotStarted("the server has stopped")
            try:
                process = spawned.Spawned()
            except Exception as error:
                raise NotStarted(f"no process can be started: {describe(error)}") from error
            if not self._leaves_at_exit:
                # After the import of multiprocessing, so before it waits for its processes.
                atexit.register(_close, weakref.ref(self))
                self._leaves_at_exit = True
            self._all.add(process)
            return process

    def _await_ready(self, process: "Spawned") -> None:
        patience = Patience(START)
        while not process.next(TICK):
            if patience.left() <= 0:
                raise NotStarted(f"its process was not ready within {START:g} s; {IMPORTED}")

    def _why_not(self, process: "Spawned") -> str:
        if process.exit_code(GONE) != UNGUARDED:
            return f"its process {_end_of(process)} before it was ready, see stderr; {IMPORTED}"
        if not self._useless:
            log.error("this server cannot run tasks in processes: %s", STARTS)
        self._useless = STARTS
        return STARTS

    def _give_back(self, process: "Spawned") -> None:
        process.used = True
        with self._lock:
            if process.lives and not self._closed:
                self._idle.append(process)
            else:
                self._all.discard(process)

    def close(self) -> None:
        """End all processes: idle ones by themselves, working ones at once."""
        if os.getpid() != self._server_pid:
            return  # a forked child: they are its parent's
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._all.difference_update(idle)
            working = list(self._all)
        for process in working:
            process.kill()
        for process in idle:
            process.end()
        patience = Patience(FAREWELL)
        for process in idle:
            if process.exit_code(max(0.0, patience.left())) is None:
                process.kill()
        for process in (*working, *idle):
            process.exit_code(GONE)


def _close(processes: "weakref.ref[Processes]") -> None:
    if (found := processes()) is not None:
        found.close()


class Attempt:
    """A run in a process, from its call to its outcome. The thread that has borrowed the process
    watches over the time limit itself: it can end the task, so the run is never late."""

    def __init__(self, process: "Spawned", run: Run) -> None:
        self._process = process
        self._run = run
        self._deadline: float | None = None
        self._told: dict[str, bool] = {}
        self._grace: float | None = None
        self._import = Patience(START)
        run.notes = self._notes = _Relay(run.job, run.steady, run.claimed_at)

    def outcome(self, call: Message) -> Outcome:
        """What came of it; EOFError when the process has died."""
        self._process.send({"call": call})
        while True:
            message = self._process.next(self._pause())
            if "outcome" in message:
                return unpacked(*message["outcome"])
            self._hear(message)
            self._tell()
            if (end := self._over()) is not None:
                self._process.kill()
                self._process.exit_code(GONE)
                return end

    def _pause(self) -> float:
        if self._deadline is None:
            return TICK
        return max(0.0, min(TICK, self._deadline - self._run.steady()))

    def _hear(self, message: Message) -> None:
        if "began" in message:
            self._run.start()
            # Not the keeper's to watch, which would give this thread up.
            self._deadline, self._run.deadline = self._run.deadline, None
        if "notes" in message:
            self._notes.relay(notes_from_dict(message["notes"]))
        if "keep" in message:
            self._notes.relay(notes_from_dict(message["keep"]))
            self._process.send({"kept": self._keep()})
        if "log" in message:
            retell(message["log"])

    def _keep(self) -> bool | str:
        """One try to write what the task has noted. How often to try is for the process to say, as
        here somebody has to watch over the time limit."""
        assert self._run.writer is not None, "it was told that there is none"
        try:
            return self._run.writer.write_now(self._run)
        except (StorageUnavailable, CapacityExceeded) as error:
            return str(error)

    def _tell(self) -> None:
        flags = {flag: True for flag in FLAGS if getattr(self._run, flag)}
        if flags != self._told:
            self._told = flags
            self._grace = self._grace or self._run.steady() + GRACE
            self._process.tell(flags)

    def _over(self) -> Outcome | None:
        """What to record if the process has to be killed now; None = not yet."""
        run, now = self._run, self._run.steady()
        if self._deadline is not None and now >= self._deadline:
            self._log(run.too_long())
            return Raised(f"TimeoutError: {run.too_long()}", "")
        if self._grace is not None and now >= self._grace:
            self._log(f"it went on for {GRACE:g} s after it was told: {', '.join(self._told)}")
            return Snoozed(0.0)  # back to the store, uncharged, if it is still ours to give back
        if run.started_at is None and self._import.left() <= 0:
            why = f"attempt {run.job.attempt} did not begin within {START:g} s: its module is slow"
            self._log(why)
            return Raised(f"ChildProcessError: {why}", "")
        return None

    def _log(self, why: str) -> None:
        job, pid = self._run.job, self._process.pid
        log.warning("job %s (%s): %s; its process %d is killed", job.id, job.method, why, pid)


class _Relay(Notebook):
    """What a task in a process has noted there, to be written down here."""

    __slots__ = ()

    def relay(self, notes: Notes) -> None:
        """These are all its notes now."""
        with self._lock:
            self._notes = notes
            self._steps = notes.steps
            self._said += 1


def _end_of(process: "Spawned") -> str:
    """How a process ended, in words."""
    code = process.exit_code(GONE)
    if code is None:
        return f"{process.pid} does not answer"
    if code >= 0:
        return f"{process.pid} ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", as the kernel does when memory is short" if name == "SIGKILL" else ""
    return f"{process.pid} was killed by {name}{hint}"
