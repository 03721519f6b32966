"""`manage.py whatsapp_check`, and what the settings are told before anything is sent."""

from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from integrationhub.core import checks
from providers.models import Provider
from tests.make import Api
from tests.meta.graph_server import GraphServer
from tests.whatsapp.numbers import bind, credentials

ALL = ["access token", "phone number", "webhook subscription", "webhook secret"]


def check(*arguments: str) -> tuple[dict[str, str], str]:
    """What it says of each, by name with its mark, and what it ends with."""
    out, end = StringIO(), ""
    try:
        call_command("whatsapp_check", *arguments, stdout=out)
    except CommandError as error:
        end = str(error)
    lines = [line.partition(": ") for line in out.getvalue().splitlines()]
    return {name: words for name, _, words in lines}, end


def test_a_number_that_works_is_told_so(meta: GraphServer) -> None:
    found, end = check()
    assert (list(found), end) == ([f"✓ {name}" for name in ALL], "")
    assert found["✓ phone number"] == "+1 555-060-2200 (Jasper's Market) is of quality GREEN."
    assert found["✓ webhook subscription"] == "Webhooks go to Integration Hub."
    assert meta.sent == []
    assert {asked.method for asked in meta.asked} == {"GET"}


def test_metas_words_stand_where_the_token_is_refused(meta: GraphServer, settings: Any) -> None:
    settings.META_WHATSAPP_ACCESS_TOKEN = "EAAG-a-token-that-has-expired"
    found, end = check()
    assert list(found) == [f"✗ {name}" for name in ALL]
    assert "has expired. (error 190, HTTP 401)" in found["✗ access token"]
    assert "EAAG" not in f"{found}{end}"


def test_an_account_to_which_no_app_is_subscribed_gets_no_webhooks(meta: GraphServer) -> None:
    meta.apps = []
    found, end = check()
    assert f"POST /{meta.waba_id}/subscribed_apps" in found["✗ webhook subscription"]
    assert end == "Not right: webhook subscription."


def test_another_vendors_app_that_is_subscribed_is_not_ours(meta: GraphServer) -> None:
    """Its webhooks go elsewhere, and are signed by another secret."""
    meta.apps = ["Another Vendor"]
    found, end = check()
    words = found["✗ webhook subscription"]
    assert ("Another Vendor" in words, "Integration Hub (670843887433847)" in words) == (True, True)
    assert (f"POST /{meta.waba_id}/subscribed_apps" in words, end) == (True, "Not right: webhook subscription.")
    meta.apps.append("Integration Hub")
    assert check()[0]["✓ webhook subscription"] == "Webhooks go to Another Vendor, Integration Hub."


def test_meta_is_asked_where_an_operator_says(meta: GraphServer, settings: Any) -> None:
    settings.META_GRAPH_BASE_URL = "http://127.0.0.1:9"
    Provider.objects.filter(provider_key="meta_whatsapp").update(base_url=meta.base_url)
    assert check()[1] == ""


def test_a_number_of_another_account_is_found_out(meta: GraphServer) -> None:
    meta.fail(status=200, on="/phone_numbers", body={"data": [{"id": "109999999999999"}]})
    found, end = check()
    assert "has no number" in found["✗ phone number"]
    assert end == "Not right: phone number."


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("META_WEBHOOK_APP_SECRETS", [], "No app secret is set"),
        ("META_WEBHOOK_APP_SECRETS", ["f" * 32], "Invalid appsecret_proof"),
        ("META_WEBHOOK_VERIFY_TOKEN", "", "no verify token is set"),
    ],
)
def test_a_webhook_secret_that_will_not_do_is_told(
    meta: GraphServer, settings: Any, setting: str, value: Any, words: str
) -> None:
    setattr(settings, setting, value)
    found, end = check()
    assert words in found["✗ webhook secret"]
    assert end == "Not right: webhook secret."


def test_meta_that_is_away_ends_it_in_an_error(meta: GraphServer, settings: Any) -> None:
    settings.META_GRAPH_BASE_URL = "https://no-such-host.invalid"
    found, _ = check()
    assert list(found) == [f"✗ {name}" for name in ALL]
    assert "cannot be reached (dns)" in found["✗ access token"]


def test_a_tenants_own_account_is_asked_about(api: Api, meta: GraphServer, settings: Any) -> None:
    bind(api, credentials(meta))
    settings.META_WHATSAPP_ACCESS_TOKEN = ""
    assert check("--tenant", str(api.tenant))[1] == ""


@pytest.mark.parametrize("arguments", [(), ("--tenant", str(uuid4()))])
def test_without_an_account_it_says_what_is_missing(meta: GraphServer, settings: Any, arguments: tuple[str]) -> None:
    settings.META_WABA_ID = ""
    found, end = check(*arguments)
    assert found == {}
    assert "META_WABA_ID" in end


# --- Settings ---


@pytest.fixture(autouse=True)
def bucket(settings: Any) -> None:
    settings.AWS_STORAGE_BUCKET_NAME = "media"


def told(**_: Any) -> list[str]:
    return sorted(str(found.id) for found in run_checks() if str(found.id).startswith("whatsapp."))


def test_an_account_that_is_whole_is_nothing_to_tell(meta: GraphServer) -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("META_WABA_ID", "", ["whatsapp.W001"]),
        ("META_WEBHOOK_APP_SECRETS", [], ["whatsapp.W002"]),
        ("META_WEBHOOK_VERIFY_TOKEN", "", ["whatsapp.W003"]),
        ("META_GRAPH_BASE_URL", "ftp://graph.facebook.com", ["whatsapp.E001"]),
        ("META_GRAPH_BASE_URL", "https://user:word@graph.facebook.com", ["whatsapp.E001"]),
        ("META_GRAPH_API_VERSION", "25", ["whatsapp.E002"]),
        ("META_GRAPH_API_VERSION", "v25.0/../v1.0", ["whatsapp.E002"]),
        ("META_WHATSAPP_PHONE_NUMBER_ID", "+14155552671", ["whatsapp.E003"]),
        ("AWS_STORAGE_BUCKET_NAME", "", ["whatsapp.W004"]),
        ("MEDIA_URL_SECONDS", 0, ["whatsapp.E004"]),
        ("MEDIA_URL_SECONDS", 604_801, ["whatsapp.E004"]),
        ("WHATSAPP_KEPT_DAYS", 7, ["whatsapp.E005"]),
    ],
)
def test_a_setting_that_will_not_do_is_told(
    meta: GraphServer, settings: Any, setting: str, value: Any, wanted: list[str]
) -> None:
    setattr(settings, setting, value)
    assert told() == wanted


def test_a_deployment_without_whatsapp_is_nothing_to_tell(settings: Any) -> None:
    assert told() == []


def test_the_hub_does_not_start_where_the_token_would_go_astray(meta: GraphServer, settings: Any) -> None:
    settings.META_GRAPH_BASE_URL = "ftp://graph.facebook.com"
    assert any("META_GRAPH_BASE_URL" in fault for fault in checks._faults_of_apps())
