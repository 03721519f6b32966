"""`python -m bench`: what `./hub bench` hands over to."""

import argparse
import json
import sys
from statistics import median

from bench import report, startup
from bench.contenders import ORDER, PATHS, environment
from bench.measuring import CONTENDERS, Case, Figures, Key, one_round
from bench.product import headers_of
from bench.stage import Stage, stage
from integrationhub.launcher.arguments import parse
from integrationhub.launcher.children import Program
from integrationhub.launcher.supervisor import Stopped, Supervisor
from integrationhub.launcher.trouble import Trouble


def bench(options: argparse.Namespace, supervisor: Supervisor) -> int:
    names = ["product"] if options.profile else sorted({name for work in options.only for name in CONTENDERS[work]})
    with stage(supervisor, options.only, names) as ready:
        return profile(ready, options.seconds) if options.profile else compare(ready, options)


def compare(ready: Stage, options: argparse.Namespace) -> int:
    """Run all rounds and tell; returns 1 for a missed goal where that is asked for."""
    cases = [Case(work, clients) for work in options.only for clients in options.clients]
    rounds: dict[Key, list[Figures]] = {}
    starts = []
    for number in range(options.rounds):
        starts.append(startup.one_round(ready.settings))
        for key, figures in one_round(ready, cases, options.seconds, number):
            rounds.setdefault(key, []).append(figures)
            say(report.line(number, key, figures))
    verdicts = report.judged(rounds, starts)
    tables = (
        report.figures_table(rounds),
        report.ratios_table(rounds),
        report.starts_table(starts),
        report.goals_table(verdicts),
    )
    sys.stdout.write("\n".join(tables))
    return int(options.strict and not all(goal.is_met(median(found)) for goal, found in verdicts))


def profile(ready: Stage, seconds: float) -> int:
    """Sample the hub in a process of its own, which writes its tables on our stdout and its log on our stderr."""
    orders = {
        work: {"path": PATHS["product"], "headers": headers_of(ready.settings, tenant, "user"), "body": ORDER.decode()}
        for work, tenant in ready.tenants.items()
    }
    words = [sys.executable, "-m", "bench.profiling", json.dumps(orders), str(seconds)]
    return ready.supervisor.run(Program("profile", words, environment("product", ready.settings)))


def say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)


def main() -> int:
    options = parse(["bench", *sys.argv[1:]])
    try:
        with Supervisor() as supervisor:
            return bench(options, supervisor)
    except Trouble as trouble:
        say(str(trouble))
        return 1
    except Stopped as stopped:
        return stopped.exit_status


if __name__ == "__main__":
    sys.exit(main())
