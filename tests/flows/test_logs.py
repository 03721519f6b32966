"""Whatever writes a line, and however it fails: JSON, the level that was set, no values of variables."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

import marketplace.seeding
import providers.seeding
from integrationhub.core.logs import logging_config
from providers import registry
from providers.adapter import Adapter, Call, Receipt
from tests.make import Api, sms

CANARY = "canary-" + "value-4711"


class Breaking(Adapter):
    """Fails as no adapter should, with a secret at hand."""

    key = "breaking_sms"
    display_name = "Breaking"
    intents = frozenset({"message.send.sms"})

    def execute(self, call: Call) -> Receipt:
        held = "canary-" + "value-4711"
        raise RuntimeError(f"Broke over {len(held)} characters.")


@pytest.fixture
def level() -> str:
    return "INFO"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], level: str) -> Iterator[Any]:
    """Reads what the one handler wrote: each line must be a JSON object, and nothing goes past the handler."""
    written, root = io.StringIO(), logging.getLogger()
    kept = root.handlers[:], root.level
    logging.config.dictConfig(logging_config(level))
    next(handler for handler in root.handlers if type(handler) is logging.StreamHandler).setStream(written)

    def read() -> list[dict[str, Any]]:
        assert "".join(capsys.readouterr()) == ""
        assert CANARY not in written.getvalue()
        return [json.loads(line) for line in written.getvalue().splitlines()]

    yield read
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])


@pytest.fixture
def breaking(api: Api, settings: Any) -> Iterator[Api]:
    settings.ADAPTER_MODULES = [*settings.ADAPTER_MODULES, __name__]
    registry.load()
    providers.seeding.seed()
    marketplace.seeding.seed()
    assert api.post(f"/marketplace/integrations/{Breaking.key}/install").status_code == 201
    yield api
    settings.ADAPTER_MODULES = settings.ADAPTER_MODULES[:-1]
    registry.load()


def test_an_adapter_that_breaks_leaves_lines_of_json_alone(api: Api, lines: Any) -> None:
    answer = api.post("/execute", sms("+15005550500"))
    told = [line for line in lines() if "adapter" in line["event"].lower()]
    assert [(line["level"], line["provider_key"]) for line in told] == [("error", "sandbox_primary")]
    assert (told[0]["request_id"], told[0]["tenant_id"]) == (answer["x-request-id"], str(api.tenant))
    assert told[0]["logger"] == "integrationhub.execution.executor"
    assert told[0]["time"].endswith("Z")


def test_a_traceback_holds_no_values_of_variables(breaking: Api, lines: Any) -> None:
    breaking.post("/execute", sms("+15005550006", providers=[Breaking.key], mode="live"))
    (told,) = [line for line in lines() if "exception" in line]
    assert "Broke over 17 characters." in told["exception"]
    assert "Traceback (most recent call last)" in told["exception"]


def test_what_is_given_by_keyword_is_redacted(lines: Any) -> None:
    structlog.get_logger("anybody").warning("bound", api_key="abcdef0123456789", note="password=abcdef0123456789")
    (told,) = lines()
    assert "abcdef0123456789" not in json.dumps(told)
    assert told["event"] == "bound"


@pytest.mark.parametrize("level", ["ERROR"])
def test_the_level_that_was_set_holds_for_both_kinds_of_loggers(lines: Any) -> None:
    for logger in (structlog.get_logger("anybody"), logging.getLogger("anybody")):
        logger.warning("too quiet")
        logger.error("loud enough")
    assert [line["event"] for line in lines()] == ["loud enough", "loud enough"]
