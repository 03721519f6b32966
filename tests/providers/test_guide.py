"""The guide's adapter and its tests are taken out of `docs/adding-a-provider.md` and run as they stand there."""

import re
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from providers import registry
from providers.adapter import Adapter
from tests.architecture import test_adapter_contract as contract
from tests.architecture import test_callback_contract as callback_contract
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


@pytest.mark.parametrize(
    "name",
    [
        "test_an_accepted_message_returns_the_providers_reference",
        "test_zetas_words_are_quoted_without_the_key",
        "test_what_zeta_signs_tells_what_became_of_the_message",
    ],
)
def test_the_guides_own_tests_pass(guide: dict[str, Any], server: AnsweringServer, name: str) -> None:
    guide.pop(name)(server)
    assert len([left for left in guide if left.startswith("test_")]) == 2, "a test of the guide is not run here"


@pytest.fixture
def registered(guide: dict[str, Any], settings: Any) -> Iterator[type[Adapter]]:
    usual = settings.ADAPTER_MODULES
    settings.ADAPTER_MODULES = [*usual, NAME]
    registry.load()
    yield guide["ZetaEmail"]
    settings.ADAPTER_MODULES = usual
    registry.load()


def checks() -> Iterator[Any]:
    """Every test of the contract that is put to each adapter, with all that it is given beside the adapter."""
    for name, check in (*vars(contract).items(), *vars(callback_contract).items()):
        marks = getattr(check, "pytestmark", [])
        if not name.startswith("test_") or not any("adapter" in mark.args[0] for mark in marks):
            continue
        rows = [list(_rows(*mark.args)) for mark in marks if "adapter" not in mark.args[0]]
        for number, parts in enumerate(product(*rows)):
            given = {key: value for part in parts for key, value in part.items()}
            yield pytest.param(check, given, id=f"{name.removeprefix('test_')} {number}")


def _rows(names: str | tuple[str, ...], values: Any) -> Iterator[dict[str, Any]]:
    for value in values:
        yield {names: value} if isinstance(names, str) else dict(zip(names, value, strict=True))


@pytest.mark.parametrize(("check", "given"), list(checks()))
def test_the_guides_adapter_keeps_the_contract(
    registered: type[Adapter], request: pytest.FixtureRequest, check: Callable[..., None], given: dict[str, Any]
) -> None:
    known = {"adapter": registered, "intent": "message.send.email", **given}
    names = signature(check).parameters
    check(**{name: known[name] if name in known else request.getfixturevalue(name) for name in names})


def test_the_registry_takes_the_guides_adapter(registered: type[Adapter]) -> None:
    assert registry.get("zeta_email") is registered
