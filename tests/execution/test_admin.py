"""What operators see of executions: who ran what for whom, and every attempt."""

import re
from datetime import UTC, datetime
from html import unescape
from uuid import UUID

import pytest
from django.test import Client

from integrationhub.execution.models import Attempt, Execution

LIST = "/admin/execution/execution/"


@pytest.fixture
def fallen_back(tenant: UUID) -> Execution:
    """An execution that the second provider delivered."""
    execution = Execution.objects.using("system").create(
        tenant_id=tenant,
        request_id="request-1",
        category="messaging",
        intent="message.send.sms",
        mode="live",
        status="succeeded",
        provider_key="second_sms",
        fallback_used=True,
        sealed_payload=b"sealed-payload-bytes",
        created_at=datetime(2026, 2, 3, 14, 5, 6, tzinfo=UTC),
        duration_ms=57,
    )
    first = {"provider_key": "first_sms", "outcome": "failed", "outcome_class": "retry", "reason": "upstream_503"}
    first |= {"message": "Answered <b>503</b>.", "upstream_status": 503, "latency_ms": 41}
    for sequence, attempt in enumerate((first, {"provider_key": "second_sms", "outcome": "succeeded"}), start=1):
        Attempt.objects.using("system").create(
            tenant_id=tenant, execution_id=execution.id, sequence=sequence, **attempt
        )
    return execution


def cells(page: str) -> list[list[str]]:
    """The text of each cell of the table of attempts."""
    rows = re.findall(r"<tr>(.+?)</tr>", page.split('<table class="hub-table">')[1].split("</table>")[0])
    return [[unescape(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)] for row in rows]


def test_the_list_tells_whose_execution_it_is_and_that_it_fell_back(operator: Client, fallen_back: Execution) -> None:
    page = operator.get(LIST).content.decode()
    for shown in (str(fallen_back.id), str(fallen_back.tenant_id), "second_sms", "by fallback"):
        assert shown in page
    assert "2026-02-03 14:05:06 UTC" in page


def test_a_success_without_fallback_shows_no_mark_of_failure(operator: Client, fallen_back: Execution) -> None:
    Execution.objects.using("system").update(fallback_used=False)
    page = operator.get(LIST).content.decode()
    assert "by fallback" not in page
    assert 'title="False"' not in page


@pytest.mark.parametrize("name", ["id", "request_id", "tenant_id"])
def test_the_search_takes_exact_ids_and_says_so(operator: Client, fallen_back: Execution, name: str) -> None:
    page = operator.get(LIST, {"q": str(getattr(fallen_back, name))}).content.decode()
    assert "exact execution, request or tenant id" in page
    assert f"{LIST}{fallen_back.id}/change/" in page
    assert f"{LIST}{fallen_back.id}/change/" not in operator.get(LIST, {"q": "second"}).content.decode()


def test_a_page_shows_each_attempt_in_a_row(operator: Client, fallen_back: Execution) -> None:
    page = operator.get(f"{LIST}{fallen_back.id}/change/").content.decode()
    heads, first, second = cells(page)
    assert heads == ["#", "provider", "outcome", "class", "reason", "upstream", "message", "ms", "started (UTC)"]
    assert first[:-1] == ["1", "first_sms", "failed", "retry", "upstream_503", "503", "Answered <b>503</b>.", "41"]
    assert second[:-1] == ["2", "second_sms", "succeeded", "-", "-", "-", "-", "-"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", first[-1])
    assert "<b>503</b>" not in page


def test_a_page_names_the_intent_as_it_is_spelled(operator: Client, fallen_back: Execution) -> None:
    page = operator.get(f"{LIST}{fallen_back.id}/change/").content.decode()
    assert "Message.send.sms" not in page


def test_no_page_shows_what_is_sealed(operator: Client, fallen_back: Execution) -> None:
    for path in (LIST, f"{LIST}{fallen_back.id}/change/"):
        page = operator.get(path).content.decode()
        assert "sealed" not in page
