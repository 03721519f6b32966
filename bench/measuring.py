"""The runs: each contender in turn with the same load, and after each run the proof that the work was done."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench import cpu, load
from bench.contenders import Contender
from bench.stage import Stage
from bench.stub import ACCOUNT, REFUSED_ACCOUNT, VONAGE_PATH, twilio_path
from integrationhub.launcher.trouble import Trouble

WARM_UP_SECONDS = 0.5
REST_SECONDS = 0.2
# What one request makes of hits at the stub, and of attempts in the database.
HITS = {
    "one": Counter({twilio_path(ACCOUNT): 1}),
    "chain": Counter({twilio_path(REFUSED_ACCOUNT): 1, VONAGE_PATH: 1}),
}
# What a database must answer to SHOW: a commit that is told has been written.
DURABLE = ("fsync", "synchronous_commit")
CONTENDERS = {"one": ("product", "bare"), "chain": ("product", "control")}


@dataclass(frozen=True)
class Case:
    """One column of the report: this work at so many clients."""

    tenant: str
    clients: int


@dataclass(frozen=True)
class Figures:
    """One run. Latencies in milliseconds, CPU in milliseconds for each request."""

    per_second: float
    p50: float
    p95: float
    p99: float
    web_cpu: float
    postgres_cpu: float
    valkey_cpu: float
    answers: int


@dataclass(frozen=True)
class Evidence:
    """What a run left behind: hits at the stub by path; where there is a database, new executions and attempts in it
    and how it says that it writes."""

    answers: int
    hits: Counter[str]
    rows: tuple[int, int] | None
    durability: Mapping[str, str]


Key = tuple[Case, str]


def one_round(stage: Stage, cases: Sequence[Case], seconds: float, number: int) -> Iterator[tuple[Key, Figures]]:
    """Every case once, by each of its contenders; who is first changes from round to round."""
    for case in cases:
        names = CONTENDERS[case.tenant]
        turn = number % len(names)
        for name in (*names[turn:], *names[:turn]):
            yield (case, name), run(stage, stage.contenders[name], case, seconds)


def run(stage: Stage, contender: Contender, case: Case, seconds: float) -> Figures:
    """Warm up, load for so long, and prove the work. Raises Trouble when anything was answered or done otherwise."""
    stage.pause(REST_SECONDS)
    hits, rows = stage.hits(), contender.rows()
    target = contender.targets[case.tenant]
    try:
        warm = load.drive(target, case.clients, min(WARM_UP_SECONDS, seconds))
        before = _cpu(stage, contender)
        answers = load.drive(target, case.clients, seconds)
        after = _cpu(stage, contender)
    except (load.WrongAnswer, OSError) as error:
        raise Trouble(f"{contender.name} at {case.clients} clients: {error}\n{contender.log_tail()}") from error
    count = len(answers.latencies)
    called, recorded = stage.hits() - hits, _since(rows, contender.rows())
    prove(contender.name, case.tenant, Evidence(len(warm.latencies) + count, called, recorded, contender.durability()))
    web, postgres, valkey = (1000 * (then - first) / count for first, then in zip(before, after, strict=True))
    p50, p95, p99 = (answers.quantile(share) for share in (0.5, 0.95, 0.99))
    return Figures(answers.per_second, p50, p95, p99, web, postgres, valkey, count)


def _cpu(stage: Stage, contender: Contender) -> list[float]:
    """CPU seconds so far: of the web processes, of PostgreSQL, of Valkey."""
    roots = (contender.pid, stage.server_pids["postgres"], stage.server_pids["valkey"])
    return [cpu.seconds_of(root) for root in roots]


def _since(before: tuple[int, int] | None, now: tuple[int, int] | None) -> tuple[int, int] | None:
    return (now[0] - before[0], now[1] - before[1]) if before and now else None


def prove(name: str, work: str, left: Evidence) -> None:
    """The provider was called as often as the chain demands, and as much was recorded, durably, as was answered.

    Raises Trouble.
    """
    wanted = Counter({path: times * left.answers for path, times in HITS[work].items()})
    if left.hits != wanted:
        raise Trouble(f"{name} gave {left.answers} answers and called its providers {dict(left.hits)}.")
    if left.rows is None:
        return
    if left.rows != (left.answers, left.answers * HITS[work].total()):
        raise Trouble(f"{name} gave {left.answers} answers; executions and attempts recorded: {left.rows}.")
    for setting in DURABLE:
        if left.durability[setting] != "on":
            raise Trouble(f"{name} is served by a database whose {setting} is {left.durability[setting]}.")
