"""What the hub says of apprise's services is what the apprise that is installed says of them."""

import json
import re

import pytest
from apprise.manager_plugins import NotificationManager

from providers.apprise import catalogue
from tests.make import Api
from tests.providers.apprise.test_services import EACH, ROWS

# Apprise reads all of its plugins, and some of those stand on what Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated and slated for removal:DeprecationWarning")


def test_the_rows_are_those_of_the_installed_apprise() -> None:
    """Made anew by `python -m providers.apprise.catalogue`."""
    assert json.loads(catalogue.SERVICES.read_text()) == catalogue.rows()


@EACH
def test_a_service_has_one_public_host_that_no_user_names(row: type) -> None:
    assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", row.host)  # type: ignore[attr-defined]
    assert not {"host", "hostname", "url", "server"} & set(row.arguments.values())  # type: ignore[attr-defined]


@EACH
def test_what_apprise_calls_private_is_a_secret(row: type) -> None:
    plugin = NotificationManager()[row.schema]  # type: ignore[attr-defined]
    members = row.credential_schema["properties"]  # type: ignore[attr-defined]
    private = {name for name in members if plugin.template_tokens[name].get("private")}
    assert {name for name in private if not members[name].get("x-secret")} == set()


def test_push_and_chat_and_text_messages_have_several() -> None:
    """A fallback means something."""
    for channel, least in (("push", 15), ("chat", 10), ("sms", 3), ("whatsapp", 2)):
        assert len([row for row in ROWS if f"message.send.{channel}" in row.intents]) >= least


def test_each_is_in_the_marketplace_with_its_schema(api: Api) -> None:
    shelves = {each["slug"]: each for each in everything(api, "/marketplace/integrations")}
    assert {row.key for row in ROWS} <= shelves.keys()
    told = api.get("/providers/apprise_pushover/adapter").json()
    assert told["credential_schema"]["properties"]["token"]["x-secret"] is True
    assert told["intents"] == ["message.send.push"]


def everything(api: Api, path: str) -> list[dict[str, str]]:
    rows, cursor = [], ""
    while True:
        page = api.get(f"{path}?limit=100{cursor}").json()
        rows += page["data"]
        if not page["has_more"]:
            return rows
        cursor = f"&cursor={page['next_cursor']}"
