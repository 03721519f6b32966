"""The guide's adapter and its tests are taken out of `docs/adding-a-provider.md` and run as they stand there."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from providers import registry
from tests.providers.answering import AnsweringServer

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-provider.md"
ADAPTER, ITS_TEST = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
NAME = "providers.adapters.zeta_email"


@pytest.fixture
def guide() -> Iterator[dict[str, Any]]:
    module = ModuleType(NAME)
    sys.modules[NAME] = module
    exec(compile(ADAPTER, str(GUIDE), "exec"), vars(module))  # noqa: S102  The project's own page.
    names: dict[str, Any] = {}
    exec(compile(ITS_TEST, str(GUIDE), "exec"), names)  # noqa: S102
    yield names
    del sys.modules[NAME]


def cases(test: Callable[..., None]) -> list[tuple[Any, ...]]:
    return [case for mark in getattr(test, "pytestmark", []) for case in mark.args[1]] or [()]


def test_the_guides_own_tests_pass(guide: dict[str, Any], server: AnsweringServer) -> None:
    ran = 0
    for test in (value for name, value in guide.items() if name.startswith("test_")):
        for case in cases(test):
            test(server, *case)
            ran += 1
    assert ran == 7


def test_the_registry_takes_the_guides_adapter(guide: dict[str, Any], settings: Any) -> None:
    usual = settings.ADAPTER_MODULES
    settings.ADAPTER_MODULES = [*usual, NAME]
    try:
        registry.load()
        assert registry.get("zeta_email") is guide["ZetaEmail"]
    finally:
        settings.ADAPTER_MODULES = usual
        registry.load()
