"""A store with something of everything, as if it had been at work for hours."""

import random
from collections import Counter
from datetime import timedelta

from qml import Cron, Every, Job, ManualClock, Qml, RetryPolicy
from qml.storage import activity, servers
from qml.values.activity import Minute
from qml.values.job import Failure
from qml.values.notes import NO_NOTES, LogLine
from qml.values.states import AwaitingRetry, Failed, Succeeded

METHODS = {
    "shop.mail.send_receipt": ("mail", 0.02, 90),
    "shop.images.resize": ("images", 0.01, 840),
    "shop.search.reindex": ("default", 0.0, 2_300),
    "shop.billing.charge": ("billing", 0.08, 410),
    "partners.feed.pull": ("default", 0.15, 5_200),
}

ERRORS = (
    "ConnectionError: partner.example did not answer within 5 s",
    "ValueError: amount is -3; give a number above 0",
    "TimeoutError: ran longer than 30 s",
)

TRACE = """Traceback (most recent call last):
  File "/srv/shop/billing.py", line 84, in charge
    answer = gateway.post("/charges", amount=amount, api_key=settings.API_KEY)
  File "/srv/shop/gateway.py", line 31, in post
    raise ConnectionError("partner.example did not answer within 5 s")
ConnectionError: partner.example did not answer within 5 s
"""


class Scene:
    """What happened in ``storage`` under ``clock``; ``jobs``: the app it belongs to."""

    def __init__(self, storage, clock: ManualClock):
        self.storage, self.clock = storage, clock
        self.jobs = Qml(storage, retry=RetryPolicy(max_retries=3, base=120, factor=3))
        self.random = random.Random(7)
        self.job = None
        self.done, self.told = Counter(), []

    def play(self, minutes=70):
        self._tasks()
        self._schedules()
        self._failed_one()
        for minute in range(minutes):
            self._minute(minute)
        self._now()
        return self

    def put(self, method, *arguments, **parts):
        """Enqueue a job now, by the scene's clock."""
        return self.storage.enqueue(Job(method, *arguments, created_at=self.storage.now(), **parts))

    def _tasks(self):
        @self.jobs.task(name="shop.accounts.invite")
        def invite(email, password, team="staff"):
            """Its password is given by position."""

        self.invite = invite

    def _schedules(self):
        found = self.storage.schedules
        found.add("nightly-report", Cron("30 3 * * *", "Europe/Berlin"), Job("shop.report", [7]))
        found.add("sweep carts", Every(900), Job("shop.carts.sweep", queue="default"))
        found.add("partner feed", Cron("*/20 * * * *"), Job("partners.feed.pull"), overlap=False)
        found.pause("sweep carts")

    def _minute(self, minute):
        self.clock.advance(60)
        self.done = Counter()
        busy = 6 + int(5 * abs((minute % 40) - 20) / 20)
        for _ in range(self.random.randint(busy - 4, busy + 4)):
            method = self.random.choice(list(METHODS))
            queue, _, _ = METHODS[method]
            number = self.random.randint(1_000, 9_999)
            self.put(method, [number], {"to": f"user{number}@example.com"}, queue=queue)
        for job in self.storage.fetch_available_jobs_atomic("web-1:4711", 20):
            self._end(job)
        self._tell()

    def _tell(self):
        """As servers do, minute by minute."""
        now = self.storage.now()
        self.told.append(
            Minute(now.replace(second=0, microsecond=0), self.done["ok"], self.done["failed"],
                   self.done["again"], self.done["ms"] / 1_000)
        )  # fmt: skip
        for hour in {minute.at.replace(minute=0) for minute in self.told}:
            minutes = [one for one in self.told if one.at.replace(minute=0) == hour]
            version = activity.version_of(self.storage.driver, "web-1:4711", hour)
            activity.write(self.storage.driver, "web-1:4711", hour, minutes, version)

    def _end(self, job):
        _, faults, took = METHODS.get(job.method, ("", 0.0, 100))
        if self.random.random() < faults:
            self._fail(job)
        else:
            took *= self.random.uniform(0.6, 1.8)
            self.done.update(ok=1, ms=took)
            self.storage.finish(job, Succeeded(total_duration_ms=round(took, 1), result={"ok": 1}))

    def _fail(self, job, error=None):
        now, error = self.storage.now(), error or self.random.choice(ERRORS)
        failure = Failure(job.attempt, now, "", error, TRACE)
        self.done.update(failed=job.attempt >= 4, again=job.attempt < 4, ms=400)
        if job.attempt >= 4:
            self.storage.finish(job, Failed(now, error, TRACE, job.attempt - 1), failure)
        else:
            again = now + timedelta(seconds=60 * 2**job.attempt)
            self.storage.finish(job, AwaitingRetry(now, again, job.attempt, error), failure)

    def _now(self):
        """What is at hand when the scene is looked at."""
        for number in range(9):
            self.put("shop.images.resize", [f"photos/{number}.jpg"], queue="images")
        self.put("shop.mail.newsletter", [], {"issue": 12}, queue="mail")
        self.storage.queues.pause("mail")
        self._failures()
        self._batch()
        self._servers()
        self.clock.advance(4)

    def _failed_one(self):
        job = self.put(
            "shop.billing.charge",
            [4711, {"amount": 129.5, "currency": "EUR"}],
            {"customer": "ada@example.com", "api_key": "sk_live_9f8e7d6c5b"},
            queue="billing",
            priority=20,
            metadata={"request": "b1946ac9", "trace": {"span": 7, "authorization": "Bearer x"}},
        )
        for error in (ERRORS[0], ERRORS[0], ERRORS[2], ERRORS[0]):
            self.clock.advance(900)
            [job] = self.storage.fetch_available_jobs_atomic("web-1:4711", 1, queues=["billing"])
            lines = ("opened the ledger", "POST /charges api_key=sk_live_9f8e7d6c5b", "no answer")
            log = [LogLine(self.storage.now(), job.attempt, line) for line in lines]
            self.storage.note(job, job.notes.with_lines(log))
            self._fail(self.storage.get(job.id), error)
        self.job = job

    def _failures(self):
        for number, error in enumerate(ERRORS * 3):
            method = list(METHODS)[number % 5]
            self.put(method, [number], queue="default", max_retries=number % 2, priority=9)
            [job] = self.storage.fetch_available_jobs_atomic("web-2:90", 1, queues=["default"])
            failure = Failure(1, self.storage.now(), "", error, TRACE)
            if number % 2:
                again = self.storage.now() + timedelta(seconds=100 * number)
                state = AwaitingRetry(self.storage.now(), again, 1, error)
            else:
                state = Failed(self.storage.now(), error, TRACE)
            self.storage.finish(job, state, failure)

    def _batch(self):
        for number in range(40):
            self.put(
                "shop.images.resize",
                [f"old/{number}.png"],
                queue="images",
                batch="thumbnails 2026",
                place=number,
            )
        last = self.put("shop.images.tell", ["done"], after_batch="thumbnails 2026")
        self.last = last
        for job in self.storage.fetch_available_jobs_atomic("web-1:4711", 30, queues=["images"]):
            self._end(job)

    def _servers(self):
        self.running = self.storage.fetch_available_jobs_atomic("web-1:4711", 3, queues=["images"])
        for share, job in enumerate(self.running):
            told = NO_NOTES.with_progress(0.3 * (share + 1), "pixels", self.storage.now())
            self.storage.note(job, told)
        facts = {
            "host": "web-1",
            "pid": 4711,
            "threads": 8,
            "queues": None,
            "reserved": {},
            "running": 3,
            "draining": False,
            "late_threads": 0,
            "late": [],
        }
        late = [{"job": self.running[0].id, "method": "shop.images.resize", "seconds": 312.5}]
        servers.beat(self.storage, "web-3:60", {**facts, "host": "web-3", "pid": 60, "running": 0})
        self.clock.advance(90)
        self.storage.renew(self.running)
        servers.beat(self.storage, "web-1:4711", {**facts, "late_threads": 1, "late": late})
        servers.beat(
            self.storage,
            "web-2:90",
            {
                **facts,
                "host": "web-2",
                "pid": 90,
                "draining": True,
                "running": 1,
                "queues": ["mail", "default"],
                "reserved": {"mail": 3},
            },
        )
