"""Rates of enqueueing and draining, beside the bare database and huey."""

from . import peers
from .contest import Turn, rates
from .table import rate, share, table

QML, BARE, HUEY = "benchmarks.qml_loops", "benchmarks.bare_loops", "benchmarks.huey_loops"

NAMES = {
    "enqueue": "enqueue, one by one",
    "enqueue_threads": "enqueue, one by one, 8 threads",
    "enqueue_many": "enqueue_many of 1,000",
    "drain": "drain, 8 threads",
}


def show(durability: str, size: int, rounds: int) -> None:
    """Measure all with one durability and print a table of medians."""
    rows = [_enqueues(loop, durability, size, rounds) for loop in list(NAMES)[:3]]
    head = ["", "qml/s", "bare/s", "qml of bare", "huey/s", "qml of huey"]
    print(table(f"Enqueue, durability {durability}, 200-byte payload", head, rows), flush=True)
    _drain(durability, size, rounds)


def _turns(loop: str, size: int) -> dict[str, Turn]:
    """Enqueueing with a flush each is slow: a tenth of the jobs will do, but for batches."""
    turns = {"qml": Turn(QML, loop, size), "bare": Turn(BARE, loop, size)}
    other = peers.python()
    if other is not None and loop != "enqueue_many":
        turns["huey"] = Turn(HUEY, loop, size, other)
    return turns


def _enqueues(loop: str, durability: str, size: int, rounds: int) -> list[str]:
    some = size if loop == "enqueue_many" else max(8, size // 10)
    found = rates(_turns(loop, some), durability, rounds)
    qml, bare, huey = found["qml"], found["bare"], found.get("huey")
    beside = ["-", "-"] if huey is None else [rate(huey), share(qml, huey)]
    return [NAMES[loop], rate(qml), rate(bare), share(qml, bare), *beside]


def _drain(durability: str, size: int, rounds: int) -> None:
    turns = {"qml": Turn(QML, "drain", size)}
    for batch in (1, 8, 32, 100):
        turns[f"bare loop, batches of {batch}"] = Turn(BARE, f"drain_{batch}", size)
    other = peers.python()
    if other is not None:
        turns["huey, 8 threads"] = Turn(HUEY, "drain", max(1, size // 10), other)
    found = rates(turns, durability, rounds)
    rows = [[name, rate(value), share(found["qml"], value)] for name, value in found.items()]
    print(table(f"{NAMES['drain']}, durability {durability}", ["", "jobs/s", "qml of it"], rows))
    if other is None:
        print("huey is left out: python -m benchmarks.peers makes its environment\n", flush=True)
