"""What is written down agrees with what runs: the generated page, the sandbox's table, the commands to paste."""

import re
import shlex
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from integrationhub.core.catalogue import ENTRIES, Entry
from integrationhub.pages.commands import Command, sms
from integrationhub.pages.error_guide import GUIDE
from integrationhub.pages.management.commands.write_docs import ERRORS, EVENTS
from integrationhub.pages.markdown import reference_markdown
from integrationhub.pages.sandbox_guide import OUTCOMES, Outcome
from integrationhub.webhooks.telling import describing
from marketplace import seeding
from providers import sandbox_script
from tests.environment import PLATFORM_TENANT
from tests.make import Api, token

REPRODUCED = [entry for entry, advice in GUIDE.items() if advice.commands]


@pytest.fixture
def platform() -> Api:
    """An admin of the platform's tenant with both sandbox providers: what `./hub up` makes."""
    tenant = UUID(PLATFORM_TENANT)
    seeding.seed_demo(tenant)
    return Api(tenant)


def run(command: Command) -> Any:
    """The command, its shell variables filled in as its page says."""
    tenant = PLATFORM_TENANT
    values = {"$TOKEN": token(tenant, "user"), "$ADMIN_TOKEN": token(tenant, "admin"), "$TENANT": tenant}
    headers = {}
    if command.token:
        headers["Authorization"] = f"Bearer {values[command.token]}"
    if command.tenant:
        headers["x-tenant-id"] = values.get(command.tenant, command.tenant)
    return Client().generic(
        command.method,
        command.full_path,
        data=_json(command.body),
        content_type="application/json" if command.body is not None else "",
        headers=headers,
    )


def _json(body: Any) -> str:
    return "" if body is None else shlex.split(Command("POST", "", body).as_curl(""))[-1]


def test_the_written_reference_is_current() -> None:
    assert ERRORS.read_text(encoding="utf-8") == reference_markdown(), "Run manage.py write_docs."


def test_the_written_reference_links_to_headings_that_exist() -> None:
    text = reference_markdown()
    headings = {heading.lower() for heading in re.findall(r"^### (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == headings
    assert len(headings) == 54


def test_the_guide_covers_the_catalogue() -> None:
    assert list(GUIDE) == list(ENTRIES.values())
    assert [entry.code for entry, advice in GUIDE.items() if not advice.causes or not advice.fixed_by] == []


@pytest.mark.parametrize("entry", REPRODUCED, ids=[entry.code for entry in REPRODUCED])
def test_the_command_of_a_page_meets_its_error(platform: Api, entry: Entry) -> None:
    for command in GUIDE[entry].commands:
        answer = run(command)
    assert answer.json()["code"] == entry.code, answer.content
    assert answer.status_code == entry.status


@pytest.mark.parametrize("outcome", OUTCOMES, ids=[outcome.digits for outcome in OUTCOMES])
def test_a_sandbox_recipient_does_what_its_row_says(platform: Api, outcome: Outcome) -> None:
    answer = run(sms(f"+1500555{outcome.digits}"))
    assert answer.status_code == (outcome.entry.status if outcome.entry else 200)
    if outcome.entry:
        assert answer.json()["code"] == outcome.entry.code


def test_the_sandbox_page_lists_every_recipient_of_the_script(client: Client) -> None:
    scripted = {
        *sandbox_script.FIRST_FAILS,
        *sandbox_script.EVERY_ONE_FAILS,
        *sandbox_script.REFUSED_BEFORE,
        sandbox_script.ADAPTER_BREAKS,
    }
    # 0006 has no entry in the script: it is the number of a plain success.
    assert {outcome.digits for outcome in OUTCOMES} == scripted | {"0006"}
    page = client.get("/docs/sandbox").content.decode()
    assert [digits for digits in scripted if f"<code>{digits}</code>" not in page] == []


def test_a_command_survives_the_shell() -> None:
    command = Command("POST", "/execute", {"text": 'it\'s $HOME "here"'})
    words = shlex.split(command.as_curl("https://hub.example"))
    assert words[:4] == ["curl", "-sS", "-X", "POST"]
    assert words[-1] == '{"text": "it\'s $HOME \\"here\\""}'


def test_angle_brackets_survive_markdown() -> None:
    prose = [line for line in reference_markdown().splitlines() if line.startswith(("**Fix:**", "- "))]
    assert any(r"\<domain>.\<action>" in line for line in prose)
    assert [line for line in prose if re.search(r"(?<!\\)<", line)] == []


def test_the_list_of_events_is_current() -> None:
    page = EVENTS.read_text(encoding="utf-8")
    assert page == describing.renewed(page), "Run manage.py write_docs."
