import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from providers import registry
from providers.errors import AdapterNotFound

GOOD = """
from providers.adapter import Adapter, Call, Receipt

class Zeta(Adapter):
    key = "zeta_email"
    display_name = "Zeta Mail"
    intents = frozenset({"message.send.email"})

    def execute(self, call: Call) -> Receipt:
        return Receipt("z-1")
"""


@pytest.fixture
def package(tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable package of adapters, empty at first, that the registry would read beside the real ones."""
    root = tmp_path / "zeta_adapters"
    root.mkdir()
    (root / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    kept = list(settings.ADAPTER_MODULES)
    settings.ADAPTER_MODULES = [*kept, "zeta_adapters"]
    yield root
    for name in [name for name in sys.modules if name.startswith("zeta_adapters")]:
        del sys.modules[name]
    settings.ADAPTER_MODULES = kept
    registry.load()


def test_a_new_adapter_is_one_file(package: Path) -> None:
    before = registry.keys_for("message.send.email")
    (package / "zeta_email.py").write_text(GOOD)
    registry.load()
    assert registry.get("zeta_email").display_name == "Zeta Mail"
    assert registry.keys_for("message.send.email") == [*before, "zeta_email"]


def test_an_adapter_may_grow_into_a_package(package: Path) -> None:
    (package / "zeta").mkdir()
    (package / "zeta" / "__init__.py").write_text("from zeta_adapters.zeta.sending import Zeta\n")
    (package / "zeta" / "sending.py").write_text(GOOD)
    registry.load()
    assert registry.find("zeta_email")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (GOOD.replace("zeta_email", "sandbox_primary"), "Two adapters have the key 'sandbox_primary'"),
        ("import nothing_of_this_name", "zeta_adapters.broken does not import"),
        ("def broken(:", "zeta_adapters.broken does not import"),
        ("key = undefined", "zeta_adapters.broken does not import"),
        ("x = 1", "zeta_adapters.broken defines no adapter"),
        (GOOD.replace("zeta_email", "Zeta"), "has the key 'Zeta'"),
        (GOOD.replace('    key = "zeta_email"\n', ""), "sets no key"),
        (GOOD.replace("message.send.email", "message.send.fax"), "serves message.send.fax"),
        (GOOD.replace("def execute", "def perform"), "defines no execute()"),
        (GOOD + "    def parse_webhook(self, hook):\n        return []\n", "defines only one of verify_webhook()"),
        (GOOD + '    tells = frozenset({"message.sent"})\n', "defines neither verify_webhook() nor status()"),
        (GOOD + '    config_schema = {"type": "objet"}\n', "config_schema that is not JSON Schema"),
        (GOOD + '    credential_schema = {"type": "string"}\n', "credential_schema whose type is not object"),
    ],
)
def test_a_fault_stops_the_start_in_a_plain_sentence(package: Path, source: str, said: str) -> None:
    (package / "broken.py").write_text(source)
    with pytest.raises(ImproperlyConfigured, match=said.replace("(", r"\(").replace(")", r"\)")):
        registry.load()
    assert registry.find("sandbox_primary"), "what was loaded before stays"


def test_an_unknown_key_lists_the_adapters_there_are() -> None:
    with pytest.raises(AdapterNotFound) as caught:
        registry.get("Sandbox_Primary")
    assert {"sandbox_primary", "sandbox_secondary"} <= set(caught.value.details["available_adapters"])


def test_there_is_one_instance_for_the_process() -> None:
    assert registry.instance("sandbox_primary") is registry.instance("sandbox_primary")


def test_where_the_sandbox_is_off_its_adapters_are_absent(settings) -> None:
    settings.SANDBOX_ENABLED = False
    assert registry.find("sandbox_primary") is None
    assert registry.hidden_keys() == ["sandbox_primary", "sandbox_secondary"]
    with pytest.raises(AdapterNotFound) as caught:
        registry.get("sandbox_primary")
    assert "sandbox_primary" not in caught.value.details["available_adapters"]
