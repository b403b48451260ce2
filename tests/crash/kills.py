"""Kill -9 in a loop, and a verdict: ``python -m tests.crash.kills --kills 2000 [--seed N]``.

Exit code 0: nothing happened that must not. 1: something did; the faults are printed, and the
folder with the database, the ledgers and the log is kept. A seed fixes who is killed and after
which pauses, not what the operating system makes of it.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .controller import Controller
from .history import Claim, Run
from .judge import Case, faults
from .mutants import MUTANTS
from .processes import Plan

SHOWN = 5


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, print; the exit code."""
    options = _options(arguments)
    if options.mutant:
        MUTANTS[options.mutant]()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="qml-kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    controller = Controller(
        Plan(folder, options.seed, options.workers, options.threads, options.lease)
    )
    begun = time.monotonic()
    controller.kill_until(options.kills, options.interval, options.pauses)
    case = controller.case(controller.drain(options.drain))
    found = faults(case)
    print(f"seed {options.seed}: {controller.kills} kills, {controller.pauses} pauses", end=" ")
    print(
        f"in {time.monotonic() - begun:.0f} s; lease {options.lease} s, {options.workers} servers"
    )
    print(f"{report(case)}\n{verdict(found, controller.kills)}")
    if options.mutant or not (found or options.folder):
        shutil.rmtree(folder)
    else:
        print(f"The evidence is in {folder}")
    return 1 if found else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--interval", type=float, default=0.2, help="mean seconds between kills")
    parser.add_argument("--pauses", type=float, default=0.25, help="share of kills with a SIGSTOP")
    parser.add_argument("--workers", type=int, default=4, help="servers at work")
    parser.add_argument("--threads", type=int, default=4, help="of each server")
    parser.add_argument("--lease", type=float, default=1.0, help="seconds")
    parser.add_argument("--drain", type=float, default=60.0, help="seconds to do the rest in")
    parser.add_argument("--mutant", choices=MUTANTS, help="break qml first")
    parser.add_argument("--folder", help="where to work; kept. Default: a temporary one")
    return parser.parse_args(arguments)


def report(case: Case) -> str:
    """The run in figures, so that a verdict on too little is seen as such."""
    history = case.history
    acked = sum(len(jobs) for jobs in history.acks)
    states = Counter(stored.state for stored in case.stored.values())
    drained = "never" if case.drained is None else f"{case.drained:.1f} s"
    figures = {
        "processes": len(history.lives),
        "jobs acknowledged": acked,
        "  begun, never acknowledged": sum(len(jobs) for jobs in history.intents) - acked,
        "  of these in the store": len(case.stored) - acked,
        "jobs in the store": ", ".join(f"{n} {state}" for state, n in states.items()),
        **_of_claims([claim for claims in history.claims.values() for claim in claims]),
        **_of_runs([run for runs in history.runs.values() for run in runs]),
        "done after the last kill in": drained,
    }
    return "\n".join(f"  {name:<30} {value}" for name, value in figures.items())


def _of_claims(claims: list[Claim]) -> dict[str, int]:
    ended = [note for claim in claims for note in claim.ended]
    return {
        "claims noted": len(claims),
        "  renewals of them": sum(len(claim.renewals) for claim in claims),
        "  rescued": sum(note["rescue"] and note["verdict"] == "done" for note in ended),
        "  stale ends refused": sum(
            not note["rescue"] and note["verdict"] != "done" for note in ended
        ),
    }


def _of_runs(runs: list[Run]) -> dict[str, int]:
    return {
        "runs": len(runs),
        "  cut short by a kill": sum(run.ended is None for run in runs),
        "  that were repeats": len(runs) - len({run.job for run in runs}),
    }


def verdict(found: list[tuple[str, str]], kills: int) -> str:
    """The faults, or what their absence says: by the rule of three, 3/n bounds the rate of an
    event not seen in n independent tries, at 95 % confidence."""
    if not found:
        return (
            f"PASSED: no fault in {kills} kills; by the rule of three, with 95 % confidence, less "
            f"than 1 kill in {kills / 3:.0f} does harm"
        )
    lines = [f"REJECTED: {len(found)} faults"]
    for rule, times in Counter(rule for rule, _ in found).most_common():
        sentences = [sentence for name, sentence in found if name == rule]
        lines.append(f"  {rule} ({times}):")
        lines += [f"    {sentence}" for sentence in sentences[:SHOWN]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
