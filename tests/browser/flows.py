"""What the tests of connecting share: the client of a tenant, a link, an application's page, a person's clicks."""

import json
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.make import Api
from tests.oauth import flows
from tests.oauth.peer import credentials
from tests.oauth.standing_in import StandIn

# The page of an application that opens a link in a pop-up and writes down what it is told.
OPENER = """<!doctype html><title>Application</title><button>Connect</button><script>
window.told = [];
window.addEventListener("message", (event) => window.told.push({origin: event.origin, said: event.data}));
document.querySelector("button").addEventListener("click", () => window.open(LINK, "connect", "popup"));
</script>"""


def bind(api: Api, **over: Any) -> None:
    """The client that is registered at the provider, as the tenant's; `over` replaces some of it."""
    client_id, client_secret = credentials("google")
    flows.bind(api, **{"client_id": client_id, "client_secret": client_secret, **over})


def link(api: Api, **body: Any) -> str:
    answer = api.post("/connect/sessions", {"providers": ["google"], **body})
    assert answer.status_code == 201, answer.content
    url: str = answer.json()["connect_url"]
    return url


def pop_up(context: BrowserContext, application: StandIn, origin: str, url: str) -> tuple[Page, Page]:
    """The page of an application at this origin, and the pop-up in which it has opened the link."""
    application.answer("GET opener", OPENER.replace("LINK", json.dumps(url)).encode(), Content_Type="text/html")
    opener = context.new_page()
    opener.goto(f"{origin}/opener")
    with opener.expect_popup() as opened:
        opener.get_by_role("button", name="Connect").click()
    return opener, opened.value


def go_to_provider(page: Page) -> None:
    page.get_by_role("button", name="Continue with Google").click()


def agree(page: Page) -> None:
    """At the provider: say who one is, then that it may be."""
    page.get_by_placeholder("Enter any login").fill("ada")
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    consent(page)


def consent(page: Page) -> None:
    page.get_by_role("button", name="Continue").click()


def cancel(page: Page) -> None:
    page.get_by_role("link", name="Cancel").click()
