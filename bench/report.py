"""The figures as tables in Markdown: medians of the rounds with their spread, ratios taken within each round."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measuring import CONTENDERS, Case, Figures, Key

Rounds = Mapping[Key, Sequence[Figures]]
Starts = Sequence[Mapping[str, float]]

_COLUMNS: tuple[tuple[str, Callable[[Figures], float], int], ...] = (
    ("req/s", lambda figures: figures.per_second, 0),
    ("p50 ms", lambda figures: figures.p50, 2),
    ("p95 ms", lambda figures: figures.p95, 2),
    ("p99 ms", lambda figures: figures.p99, 2),
    ("web CPU ms", lambda figures: figures.web_cpu, 2),
    ("PostgreSQL CPU ms", lambda figures: figures.postgres_cpu, 2),
    ("Valkey CPU ms", lambda figures: figures.valkey_cpu, 2),
)
_COMPARED: tuple[tuple[str, Callable[[Figures], float]], ...] = (
    ("req/s", lambda figures: figures.per_second),
    ("p50", lambda figures: figures.p50),
    ("web CPU", lambda figures: figures.web_cpu),
    ("all CPU", lambda figures: figures.web_cpu + figures.postgres_cpu + figures.valkey_cpu),
)


@dataclass(frozen=True)
class Goal:
    """A ratio to reach: at least `least`, or at most `most`."""

    what: str
    case: Case | None
    column: str
    least: float = 0.0
    most: float = float("inf")

    def is_met(self, ratio: float) -> bool:
        return self.least <= ratio <= self.most

    def wanted(self) -> str:
        return f">= {self.least}" if self.least else f"<= {self.most}"


GOALS = (
    Goal("one provider, 16 clients: req/s against the bare view", Case("one", 16), "req/s", least=0.5),
    Goal("one provider, 64 clients: req/s against the bare view", Case("one", 64), "req/s", least=0.5),
    Goal("one provider, 1 client: p50 against the bare view", Case("one", 1), "p50", most=2.0),
    Goal("chain, 16 clients: req/s against the control", Case("chain", 16), "req/s", least=3.0),
    Goal("chain, 64 clients: req/s against the control", Case("chain", 64), "req/s", least=3.0),
    Goal(
        "start-up CPU until `/execute` can answer, against `django.setup()` with the hub's own apps",
        None,
        "start",
        most=2.5,
    ),
)


def line(number: int, key: Key, figures: Figures) -> str:
    """What is said while it goes on."""
    case, name = key
    told = ", ".join(f"{value(figures):.{digits}f} {title}" for title, value, digits in _COLUMNS)
    return f"round {number + 1}: {case.tenant}, {case.clients} clients, {name}: {told}"


def figures_table(rounds: Rounds) -> str:
    """A row for each contender in each case."""
    rows = [["work", "clients", "contender", *(title for title, _, _ in _COLUMNS), "requests"]]
    for (case, name), runs in rounds.items():
        cells = [spread([value(run) for run in runs], digits) for _, value, digits in _COLUMNS]
        rows.append([case.tenant, str(case.clients), name, *cells, str(sum(run.answers for run in runs))])
    return markdown([rows[0], *sorted(rows[1:], key=lambda row: (row[0] != "one", int(row[1])))])


def ratios_table(rounds: Rounds) -> str:
    """The hub divided by whom it is compared with, round by round."""
    rows = [["work", "clients", "product against", *(title for title, _ in _COMPARED)]]
    for case in dict.fromkeys(case for case, _ in rounds):
        cells = [spread(ratios(rounds, case, title), 2) for title, _ in _COMPARED]
        rows.append([case.tenant, str(case.clients), CONTENDERS[case.tenant][1], *cells])
    return markdown(rows)


def starts_table(starts: Starts) -> str:
    """CPU of a start in milliseconds, and how many times `django.setup()` each is."""
    rows = [["start", "CPU ms", "against setup"]]
    for name in starts[0]:
        times = [start[name] / start["setup"] for start in starts]
        rows.append([name, spread([start[name] * 1000 for start in starts], 0), spread(times, 2)])
    return markdown(rows)


def goals_table(verdicts: Sequence[tuple[Goal, list[float]]]) -> str:
    """The goals that this run can judge, each with its mark."""
    rows = [["goal", "wanted", "measured", ""]]
    rows += [
        [goal.what, goal.wanted(), spread(found, 2), "PASS" if goal.is_met(median(found)) else "MISS"]
        for goal, found in verdicts
    ]
    return markdown(rows)


def judged(rounds: Rounds, starts: Starts) -> list[tuple[Goal, list[float]]]:
    """Each goal whose case was measured, with the ratios of its rounds."""
    found = []
    for goal in GOALS:
        if goal.case is None:
            values = [start["product"] / start["setup"] for start in starts]
        else:
            values = ratios(rounds, goal.case, goal.column)
        if values:
            found.append((goal, values))
    return found


def ratios(rounds: Rounds, case: Case, column: str) -> list[float]:
    """The hub's value divided by the other's in each round."""
    value = dict(_COMPARED)[column]
    ours, others = (rounds.get((case, name), []) for name in CONTENDERS[case.tenant])
    return [value(our) / value(other) for our, other in zip(ours, others, strict=True)]


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and the lowest and the highest where there are several."""
    middle = f"{median(values):.{digits}f}"
    return f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})" if len(values) > 1 else middle


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"
