"""Kill -9 in a loop, and a verdict: ``python -m tests.crash.kills --kills 2000 [--seed N]``.

Processes are killed at work, then, with ``--server-kills``, the server that they all use. Exit code
0: nothing happened that must not. 1: something did; the faults are printed, and the folder with
ledgers, logs and a SQLite file is kept. A seed fixes who is killed and after which pauses, not what
the operating system makes of it.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from . import evidence, stores
from .case import Case
from .controller import Controller
from .judge import faults
from .mutants import MUTANTS
from .processes import Plan
from .report import report, verdict


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, print; the exit code."""
    options = _options(arguments)
    if options.mutant:
        MUTANTS[options.mutant]()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="qml-kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    controller, case = _run(options, folder)
    found = faults(case)
    print(
        f"{urlsplit(controller.plan.url).scheme}, seed {options.seed}: {controller.kills} kills, "
        f"{controller.pauses} pauses in {time.monotonic() - begun:.0f} s; lease {options.lease} s, "
        f"{options.workers} servers"
    )
    print(f"{report(case)}\n{verdict(found, controller.kills, options.server_kills)}")
    if options.mutant or not (found or options.folder):
        shutil.rmtree(folder)
    else:
        print(f"The evidence is in {folder}")
    return 1 if found else 0


def _run(options: argparse.Namespace, folder: Path) -> tuple[Controller, Case]:
    with stores.opened(options, folder) as store:
        url = store.impatient_url if options.server_kills else store.url
        plan = Plan(folder, url, options.seed, options.workers, options.threads, options.lease)
        controller = Controller(plan)
        controller.start()
        controller.kill_processes(options.kills, options.interval, options.pauses)
        if store.server is not None:
            controller.kill_server(store.server, options.server_kills)
        drained = controller.drain(options.drain)
        return controller, evidence.gather(plan, store, drained)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.kills", description=__doc__)
    stores.add_options(parser)
    parser.add_argument("--kills", type=int, default=200, help="of processes")
    parser.add_argument("--server-kills", type=int, default=0, help="of the server, after those")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--interval", type=float, default=0.2, help="mean seconds between kills")
    parser.add_argument("--pauses", type=float, default=0.25, help="share of kills with a SIGSTOP")
    parser.add_argument("--workers", type=int, default=4, help="servers at work")
    parser.add_argument("--threads", type=int, default=4, help="of each server")
    parser.add_argument("--lease", type=float, default=1.0, help="seconds")
    parser.add_argument("--drain", type=float, default=60.0, help="seconds to do the rest in")
    parser.add_argument("--mutant", choices=MUTANTS, help="break qml first")
    parser.add_argument("--folder", help="where to work; kept. Default: a temporary one")
    options = parser.parse_args(arguments)
    if options.server_kills and (options.url or options.store not in stores.SERVERS):
        parser.error(f"--server-kills needs a --store with a server: {', '.join(stores.SERVERS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
