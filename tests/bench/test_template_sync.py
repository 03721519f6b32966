"""The benchmark of the sync of templates says what it measured, and what it guards is held beside other tests."""

import pytest

from bench import template_sync


def test_a_sync_without_news_touches_no_row_and_the_report_says_so() -> None:
    figures = template_sync.measure(400, rounds=1)
    assert figures.rows_touched == 0
    assert "rows touched without news: 0" in template_sync.report(figures)


@pytest.mark.slow
def test_five_thousand_templates_cost_little_more_than_storing_them_plainly() -> None:
    figures = template_sync.measure(5000)
    print(template_sync.report(figures))
    # The goal is for the report: other tests run beside this one, and slow the two sides unevenly.
    assert figures.ratio <= 2
    assert figures.rows_touched == 0
