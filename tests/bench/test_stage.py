"""What is made ready for whom."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bench import stage
from integrationhub.launcher.arguments import parse

TENANTS: dict[str, UUID] = {"one": uuid4(), "chain": uuid4()}
SETTINGS = {"STUB_URL": "http://127.0.0.1:1", "PATH": "/usr/bin"}


@pytest.mark.parametrize(
    ("contenders", "prepared"),
    [(["product"], ["set_up"]), (["bare", "product"], ["set_up"]), (["control", "product"], ["set_up", "control"])],
)
def test_only_who_takes_part_is_prepared(contenders: list[str], prepared: list[str]) -> None:
    programs = stage.preparations(contenders, SETTINGS, TENANTS, Path("/tmp"))  # noqa: S108  Nothing is written.
    assert [program.name for program in programs] == prepared


def test_each_contender_is_first_as_often_as_the_other() -> None:
    assert parse(["bench"]).rounds % 2 == 0
