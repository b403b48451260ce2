"""Tasks that run in spawned processes, which import this module. They meet the tests in files."""

import functools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from qml import (
    ConfigurationError,
    Discard,
    JobLost,
    Qml,
    Retry,
    RetryPolicy,
    Snooze,
    current_job,
)

jobs = Qml("memory://")


def leave(folder, name, pid):
    """A file that is never seen half written."""
    (Path(folder) / f"{name}.new").write_text(str(pid))
    (Path(folder) / f"{name}.new").rename(Path(folder) / name)


def meet(folder, name):
    """Leave a file, and wait until the test has answered it."""
    leave(folder, name, os.getpid())
    while not (Path(folder) / f"{name}.go").exists():
        time.sleep(0.005)


def sleeper(folder):
    """A process of the task's own that would stay for ever."""
    other = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"])
    leave(folder, "sleeper", other.pid)


@jobs.task(process=True)
def come_back_twice():
    if other := os.fork():
        os.waitpid(other, 0)
        return "parent"
    return "child"


@jobs.task(process=True)
def where(*values, **named):
    return [os.getpid(), list(values), named]


@jobs.task(process=True)
def met(folder, name="met"):
    meet(folder, name)
    return os.getpid()


@jobs.task(process=True)
def who():
    me = current_job()
    return [me.id, me.attempt, me.cancelled, me.lost, me.job.to_json()]


def deep():
    raise ValueError("not \udcff today")


@jobs.task(process=True)
def act(what):
    if what == "raise":
        deep()
    if what == "retry":
        raise Retry("wait", delay=7) from KeyError("cause")
    if what == "discard":
        raise Discard("gone")
    if what == "snooze":
        raise Snooze(5)
    if what == "object":
        return object()
    if what == "exit":
        sys.exit(4)
    return "x" * 2_000


@jobs.task(process=True)
def die(how, folder=None):
    if how == "exit":
        os._exit(3)
    if how == "forked":
        if os.fork() == 0:  # it holds everything of its parent open
            time.sleep(3600)
        how = signal.SIGSEGV
    os.kill(os.getpid(), how)


@jobs.task(
    process=True,
    retry_on={KeyError: RetryPolicy(base=3), OSError: RetryPolicy(max_retries=1)},
)
def choosy(how):
    raise {"ValueError": ValueError, "KeyError": KeyError, "OSError": OSError}[how]


@jobs.task(process=True)
def compute(folder):
    """No other thread of the process gets the GIL meanwhile."""
    sleeper(folder)
    leave(folder, "pid", os.getpid())
    return pow(3, 10**10) % 7


@jobs.task(process=True)
def until_told(folder, flag):
    """Ends once it is told."""
    (Path(folder) / "began").touch()
    while not getattr(current_job(), flag):
        time.sleep(0.005)
    return [current_job().cancelled, current_job().lost]


@jobs.task(process=True)
def unheeding(folder):
    """Says that it was told, and does not end."""
    sleeper(folder)
    while True:
        if current_job().lost:
            (Path(folder) / "told").touch()
        time.sleep(0.005)


@jobs.task(process=True)
def follow():
    """A task enqueues another, with the name that the server knows."""
    return where.job(1).method


@jobs.task(process=True)
def telling(folder):
    me = current_job()
    me.log("one")
    me.log("two")
    me.progress(0.5, "half")
    meet(folder, "said")
    me.progress(1)
    me.log("last")
    try:
        me.progress("much")
    except ConfigurationError as error:
        return type(error).__name__


@jobs.task(process=True)
def logging_something():
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger(__name__).warning("counted %s", 7, exc_info=True, extra={"odd": object()})


other = Qml("memory://")


@other.around
def surround(job, call):
    return ["around", call()]


@other.task(process=True)
def surrounded():
    return current_job().job.method.rpartition(".")[2]


def begin_and_sleep(pipe):
    pipe.send("began")
    time.sleep(3600)


@jobs.task(process=True)
def forked():
    """A process that it has forked ends by SIGTERM."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    other = context.Process(target=begin_and_sleep, args=(theirs,))
    other.start()
    ours.recv()
    other.terminate()
    other.join()
    return other.exitcode


@jobs.task(process=True)
def terminated():
    """A program that it has started ends by SIGTERM."""
    other = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"])
    other.terminate()
    return other.wait()


class Shelf:
    @staticmethod
    @jobs.task(process=True)
    def count():
        return "counted"


def audited(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return ["audited", function(*args, **kwargs)]

    return call


@audited
@jobs.task(process=True)
def over():
    return current_job() is not None


@jobs.task(process=True)
@audited
def under():
    return current_job() is not None


def plain(number):
    return number + 1


plain_task = jobs.task(process=True, name="plain")(plain)
hidden = [jobs.task(process=True, name="hidden")(deep)]


@jobs.task(process=True)
def stepping(folder):
    """Each step leaves a line; the first attempt fails after both."""
    me = current_job()

    def effect(name):
        with (Path(folder) / "ledger").open("a") as file:
            file.write(name)
        return (name, os.getpid())

    me.progress(0.5)
    found = [me.step(name, effect, name) for name in "ab"]
    if me.attempt == 1:
        raise ValueError
    me.log("done")
    return found


@jobs.task(process=True)
def stepping_in_vain(folder):
    try:
        current_job().step("s", meet, folder, "met")
    except JobLost as error:
        leave(folder, "lost", str(error))
        raise


@jobs.task(process=True)
def stepping_oddly(folder):
    def odd():
        leave(folder, "odd", 1)
        return {1: 2}

    current_job().step("odd", odd)


@jobs.task(process=True)
def stepping_by_many(folder):
    """Many threads, all of which ask the server to keep something, and speak meanwhile."""
    me = current_job()

    def step(number):
        me.progress(number / 100)
        return me.step(str(number % 10), lambda: number % 10)

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(step, range(40)))
