"""What the tables say of figures that are made up."""

from bench import report
from bench.measuring import Case, Figures, Key

ONE, CHAIN = Case("one", 16), Case("chain", 16)


def figures(per_second: float) -> Figures:
    return Figures(per_second, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 100)


def rounds(case: Case, other: str, *pairs: tuple[float, float]) -> dict[Key, list[Figures]]:
    """For each round the requests a second of the hub and of the other."""
    ours, others = zip(*pairs, strict=True)
    return {(case, "product"): [figures(one) for one in ours], (case, other): [figures(one) for one in others]}


def test_a_ratio_is_taken_within_its_round() -> None:
    measured = rounds(ONE, "bare", (50, 100), (10, 40), (90, 100))
    assert report.ratios(measured, ONE, "req/s") == [0.5, 0.25, 0.9]
    assert "| 0.50 (0.25-0.90) |" in report.ratios_table(measured)


def test_a_goal_is_judged_by_the_median_of_the_rounds() -> None:
    measured = rounds(ONE, "bare", (10, 100), (50, 100), (90, 100)) | rounds(CHAIN, "control", (290, 100))
    table = report.goals_table(report.judged(measured, [{"product": 2.6, "setup": 1.0}]))
    assert "against the bare view | >= 0.5 | 0.50 (0.10-0.90) | PASS |" in table
    assert "against the control | >= 3.0 | 2.90 | MISS |" in table
    assert "against `django.setup()` with the hub's own apps | <= 2.5 | 2.60 | MISS |" in table


def test_a_goal_that_was_not_measured_is_not_judged() -> None:
    judged = report.judged(rounds(CHAIN, "control", (300, 100)), [{"product": 2.0, "setup": 1.0}])
    assert [goal.case for goal, _ in judged] == [CHAIN, None]
