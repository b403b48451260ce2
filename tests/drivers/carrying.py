"""Threads in line behind a write that is held up: whoever leads carries them."""

import contextlib
import threading

from qml.drivers.sqlite import SqliteDriver
from qml.drivers.sqlite.turns import Step
from qml.values.config import SqliteConfig
from tests.work.support import eventually

from .making import everything, row

LONG = 30.0


class Outcome:
    """A call in a thread of its own, and what came of it."""

    def __init__(self, call):
        self.value, self.error = None, None
        self._thread = threading.Thread(target=self._run, args=(call,))
        self._thread.start()

    def _run(self, call):
        try:
            self.value = call()
        except BaseException as error:
            self.error = error

    @property
    def there(self):
        """Whether it has returned."""
        return not self._thread.is_alive()

    def join(self):
        self._thread.join(LONG)
        assert self.there


class Line:
    """``lead`` writes, and stops before its commit until ``go``; ``add`` gets others in line."""

    def __init__(self, driver, lead=lambda connection: "led", flush=True):
        self._connections = driver._connections
        self._begun, self._goes_on = threading.Event(), threading.Event()
        self.added = []

        def work(connection):
            answer = lead(connection)
            self._begun.set()
            assert self._goes_on.wait(LONG)
            return answer

        self.leader = Outcome(lambda: self._connections.write(work, flush=flush))
        assert self._begun.wait(LONG)

    def add(self, *calls):
        for call in calls:
            self.added.append(Outcome(call))
            self.wait_for(len(self.added))
        return self.added[-len(calls) :]

    def write(self, work, **options):
        """The same for a step of the test's own."""
        return self.add(lambda: self._connections.write(work, **options))[0]

    def wait_for(self, many):
        """Until so many are in line."""
        until(lambda: len(self._connections._turns.line) == many)

    def go(self):
        self._goes_on.set()

    def end(self):
        self.go()
        for one in (self.leader, *self.added):
            one.join()


@contextlib.contextmanager
def opened(tmp_path):
    """A driver whose writers wait for long."""
    driver = SqliteDriver(SqliteConfig(path=tmp_path / "jobs.db", busy_timeout=LONG))
    driver.install()
    try:
        yield driver
    finally:
        driver.close()


def insert(driver, *names, **columns):
    """A call that inserts such rows."""
    return lambda: driver.insert([row(name, **columns) for name in names])


def stored(driver):
    """The ids of all rows, in order."""
    return sorted(one.id for one in everything(driver))


def until(condition):
    eventually(condition, LONG, every=0.0005)


@contextlib.contextmanager
def line(driver, *given, **named):
    it = Line(driver, *given, **named)
    try:
        yield it
    finally:
        it.end()


def always_carried(driver):
    """Have each write of the driver carried by one of another thread."""
    connections = driver._connections
    write_once = connections._write_once

    def carried(step, work, deadline):
        def when_somebody_is_in_line(connection):
            until(lambda: connections._turns.line)

        def lead():
            first = Step(when_somebody_is_in_line, flush=True)
            connections._turns.during(first, write_once, when_somebody_is_in_line, deadline)

        leader = Outcome(lead)
        until(lambda: connections._turns.leader or leader.there)
        try:
            step._work = work = _not_on_its_own(connections, work)
            return write_once(step, work, deadline)
        finally:
            leader.join()

    connections._write_once = carried
    return driver


def _not_on_its_own(connections, work):
    def step(connection):
        assert connection is not connections._writer
        return work(connection)

    return step
