"""Metrics: what an app's process counts, and what its store answers when it is scraped."""

from collections.abc import Iterable, Iterator
from weakref import ReferenceType, WeakKeyDictionary, ref

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, ProcessCollector
from prometheus_client import generate_latest as generate
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..storage.storage import Storage
from ..values.errors import ConfigurationError
from ..values.states import StateKind
from ..work.app import Qml
from .asking import Figures, Inquiry
from .counting import Counting
from .labels import Labels

Gauges = Iterator[GaugeMetricFamily]


class Metrics(Collector):
    """The figures of an app: make it once, where the app is made.

    ``registry``: of prometheus_client, its default one unless given. Counters and histograms are of
    this process, and begin at 0 with it, also after a fork; gauges of the store are asked when the
    registry is read, in a thread of its own, at most every five seconds, and for two seconds at
    most: a store that is away gives ``qml_store_up 0``, never an error. Labels are bounded: methods
    that are no task of the app, and queues beyond a hundred, are "other".

    ConfigurationError when the registry has an app's figures already.
    """

    def __init__(self, jobs: Qml, registry: CollectorRegistry | None = None) -> None:
        self.registry = REGISTRY if registry is None else registry
        self._jobs = jobs
        self._labels = Labels(jobs.tasks)
        try:
            self._counting = Counting(jobs, self.registry, self._labels)
        except ValueError as error:
            raise ConfigurationError(
                f"this registry has the figures of an app already ({error}); make Metrics once for "
                "each app, and give a second app a registry of its own: "
                "Metrics(jobs, registry=CollectorRegistry())"
            ) from error
        self._inquiry = Inquiry(self._storage)
        self.registry.register(self)
        _MADE[jobs] = ref(self)

    @classmethod
    def of(cls, jobs: Qml) -> "Metrics":
        """Those that were made for an app; or new ones, in a registry of their own, with the usual
        figures of the process."""
        made = _MADE[jobs]() if jobs in _MADE else None
        if made is None:
            made = cls(jobs, CollectorRegistry())
            ProcessCollector(registry=made.registry)
        return made

    def _storage(self) -> Storage:
        """That of a server that runs here; else the app's own, where it is clear which that is."""
        running = (server.storage for server in self._jobs.servers if server.running)
        return next(running, None) or self._jobs.storage

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: a registry would ask the store when this is registered."""
        return []

    def collect(self) -> Gauges:
        """The gauges, as they are now."""
        up, figures = self._inquiry.figures()
        says = "Whether the store answers: 1 or 0."
        yield GaugeMetricFamily("qml_store_up", says, value=float(up))
        if figures is not None:
            yield self._by_queue(figures)
            yield from _of_store(figures)
        yield from self._of_servers()

    def _by_queue(self, figures: Figures) -> GaugeMetricFamily:
        numbers: dict[tuple[str, str], int] = {}
        for (queue, state), number in figures.jobs.items():
            of = self._labels.queue(queue), state
            numbers[of] = numbers.get(of, 0) + number
        for queue in {*self._labels.queues(), *(queue for queue, _ in numbers)}:
            for kind in StateKind:  # none there is a number, too
                numbers.setdefault((queue, kind.value), 0)
        says = "Jobs in the store, by queue and state."
        family = GaugeMetricFamily("qml_jobs", says, labels=("queue", "state"))
        for labels, number in sorted(numbers.items()):
            family.add_metric(labels, number)
        return family

    def _of_servers(self) -> Gauges:
        servers = self._jobs.servers
        threads = sum(server.threads for server in servers if server.running)
        held = [run for server in servers for run in server.runs.held()]
        busy = sum(run.started_at is not None and not run.ended for run in held)
        late = sum(len(server.runs.late()) for server in servers)
        for name, says, value in (
            ("qml_threads", "Threads of this process's servers that run jobs.", threads),
            ("qml_threads_busy", "Those of them that run one now.", busy),
            ("qml_threads_late", "Threads beyond them whose job's time limit has passed.", late),
        ):
            yield GaugeMetricFamily(name, says, value=value)


def _of_store(figures: Figures) -> Gauges:
    for name, says, value in (
        (
            "qml_oldest_due_job_age_seconds",
            "For how long the job has been due that has been due longest; 0 when none is.",
            figures.oldest,
        ),
        ("qml_servers", "Servers of the store that gave a sign lately.", figures.servers),
        ("qml_lapsed_leases", "Claims whose lease has lapsed, 1000 at most.", figures.lapsed),
    ):
        yield GaugeMetricFamily(name, says, value=value)


def exposition(metrics: Metrics) -> tuple[bytes, str]:
    """What a scrape of its registry is answered, and the content type of that."""
    return generate(metrics.registry), CONTENT_TYPE_LATEST


_MADE: "WeakKeyDictionary[Qml, ReferenceType[Metrics]]" = WeakKeyDictionary()
