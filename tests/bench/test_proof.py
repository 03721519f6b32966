"""What a run must leave behind before its figures are believed."""

from collections import Counter
from dataclasses import replace

import pytest

from bench.measuring import DURABLE, Evidence, prove
from bench.stub import ACCOUNT, REFUSED_ACCOUNT, VONAGE_PATH, twilio_path
from integrationhub.launcher.trouble import Trouble

CHAIN = Evidence(
    answers=7,
    hits=Counter({twilio_path(REFUSED_ACCOUNT): 7, VONAGE_PATH: 7}),
    rows=(7, 14),
    durability=dict.fromkeys(DURABLE, "on"),
)
BARE = Evidence(answers=7, hits=Counter({twilio_path(ACCOUNT): 7}), rows=None, durability={})


def test_what_was_done_as_it_should_be_is_believed() -> None:
    prove("product", "chain", CHAIN)
    prove("bare", "one", BARE)


@pytest.mark.parametrize(
    "hits",
    [
        Counter({twilio_path(REFUSED_ACCOUNT): 7, VONAGE_PATH: 6}),
        Counter({twilio_path(REFUSED_ACCOUNT): 8, VONAGE_PATH: 7}),
        Counter({VONAGE_PATH: 7}),
        Counter({twilio_path(REFUSED_ACCOUNT): 7, VONAGE_PATH: 7, "/elsewhere": 1}),
    ],
    ids=["too few", "sent twice", "the first was spared", "another was called"],
)
def test_a_wrong_number_of_calls_ends_the_benchmark(hits: Counter[str]) -> None:
    with pytest.raises(Trouble, match="product gave 7 answers and called its providers"):
        prove("product", "chain", replace(CHAIN, hits=hits))


@pytest.mark.parametrize("rows", [(6, 14), (7, 13), (8, 14), (7, 7)])
def test_a_wrong_number_of_rows_ends_the_benchmark(rows: tuple[int, int]) -> None:
    with pytest.raises(Trouble, match="executions and attempts recorded"):
        prove("product", "chain", replace(CHAIN, rows=rows))


@pytest.mark.parametrize("setting", DURABLE)
@pytest.mark.parametrize("value", ["off", "local"])
def test_a_database_that_need_not_remember_ends_the_benchmark(setting: str, value: str) -> None:
    with pytest.raises(Trouble, match=f"{setting} is {value}"):
        prove("control", "chain", replace(CHAIN, durability={**CHAIN.durability, setting: value}))
