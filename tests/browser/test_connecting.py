"""The hosted connect page in a browser, from the application's button to a certified OpenID provider and back."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flows import agree, bind, cancel, consent, go_to_provider, link, pop_up
from tests.browser.person import Person
from tests.make import Api
from tests.oauth.standing_in import StandIn

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
# What the page lets pass before it closes itself.
MILLISECONDS_TO_READ = 3000


@pytest.fixture
def stopped_clock(person: Person) -> None:
    """Of all pages: however slow the machine is, no time passes there but what a test lets pass."""
    now = datetime.now(UTC)
    person.context.clock.install(time=now)
    person.context.clock.pause_at(now + timedelta(seconds=1))


def failed(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Google is not connected")


def connected(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Connected as ada@example.com")


def let_pass(page: Page, milliseconds: int) -> None:
    page.wait_for_load_state()  # Its script has run.
    page.clock.run_for(milliseconds)


def stays_open(page: Page, milliseconds: int) -> None:
    let_pass(page, milliseconds)
    assert page.evaluate("closed") is False


def closes(page: Page, milliseconds: int) -> None:
    with page.expect_event("close"):
        let_pass(page, milliseconds)


@pytest.mark.usefixtures("stopped_clock")
def test_a_pop_up_tells_who_opened_it_and_closes_by_itself(api: Api, person: Person, application: StandIn) -> None:
    bind(api, return_origins=[application.url])
    url = link(api, opener_origin=application.url)
    opener, popup = pop_up(person.context, application, application.url, url)
    expect(popup.get_by_text("To use it at")).to_have_text(f"To use it at {urlsplit(application.url).netloc}.")
    go_to_provider(popup)
    agree(popup)
    connected(popup)
    stays_open(popup, MILLISECONDS_TO_READ - 1)
    closes(popup, 1)

    [made] = api.get("/connections").json()["data"]
    said = {"type": "integrationhub.connected", "provider": "google", "connection_id": made["id"]}
    assert opener.evaluate("told") == [{"origin": person.hub, "said": said}]


@pytest.mark.usefixtures("stopped_clock")
def test_a_page_of_another_origin_is_told_nothing(api: Api, person: Person, application: StandIn) -> None:
    bind(api, return_origins=[application.url])
    url = link(api, opener_origin=application.url)
    stranger = application.url.replace("127.0.0.1", "localhost")
    opener, popup = pop_up(person.context, application, stranger, url)
    go_to_provider(popup)
    agree(popup)
    connected(popup)
    closes(popup, MILLISECONDS_TO_READ)
    assert opener.evaluate("told") == []


@pytest.mark.usefixtures("stopped_clock")
def test_a_pop_up_stays_open_on_an_error_until_trying_again_succeeds(
    api: Api, person: Person, application: StandIn
) -> None:
    bind(api, return_origins=[application.url])
    url = link(api, opener_origin=application.url)
    opener, popup = pop_up(person.context, application, application.url, url)
    go_to_provider(popup)
    cancel(popup)
    failed(popup)
    expect(popup.get_by_role("alert")).to_have_text("You did not agree at Google.")
    stays_open(popup, 2 * MILLISECONDS_TO_READ)
    assert opener.evaluate("told") == []

    popup.get_by_role("link", name="Try again").click()
    go_to_provider(popup)
    agree(popup)
    connected(popup)
    closes(popup, MILLISECONDS_TO_READ)
    assert len(opener.evaluate("told")) == 1


def test_an_error_is_shown_with_all_that_helps_and_copied_as_it_is_shown(api: Api, person: Person) -> None:
    bind(api, client_secret="no-longer-the-secret")
    person.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=person.hub)
    page = person.open(link(api))
    go_to_provider(page)
    agree(page)
    failed(page)
    expect(page.get_by_text("Google said: invalid_client", exact=True)).to_be_visible()
    expect(page.get_by_text("client authentication failed", exact=True)).to_be_visible()
    address = page.locator("#redirect-uri")
    expect(address).to_have_text(f"{person.hub}/oauth/callback/google")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == address.inner_text()

    page.get_by_text("For your administrator").click()
    details = page.locator("#details")
    expect(details).to_contain_text("ERR_OAUTH_TOKEN_EXCHANGE_FAILED")
    page.get_by_role("button", name="Copy details").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert page.evaluate("navigator.clipboard.readText()") == details.inner_text()

    bind(api)
    page.get_by_role("link", name="Try again").click()
    go_to_provider(page)
    consent(page)  # The provider remembers who signed in.
    connected(page)


def test_without_a_pop_up_a_person_goes_back_to_the_application(api: Api, person: Person, application: StandIn) -> None:
    bind(api, return_origins=[application.url])
    application.answer("GET done", b"<!doctype html><h1>Back</h1>", Content_Type="text/html")
    page = person.open(link(api, return_to=f"{application.url}/done"))
    go_to_provider(page)
    cancel(page)
    failed(page)
    page.get_by_role("link", name="Back to the application").click()
    expect(page.get_by_role("heading")).to_have_text("Back")
    assert outcome(page) == {"provider": "google", "status": "failed", "error": "ERR_OAUTH_TOKEN_EXCHANGE_FAILED"}

    page = person.open(link(api, return_to=f"{application.url}/done"))
    go_to_provider(page)
    agree(page)
    expect(page.get_by_role("heading")).to_have_text("Back")
    [made] = api.get("/connections").json()["data"]
    assert outcome(page) == {"provider": "google", "status": "connected", "connection_id": made["id"]}


def outcome(page: Page) -> dict[str, str]:
    """What the application is told in its address."""
    return {name: value for name, [value] in parse_qs(urlsplit(page.url).query).items()}


def test_without_scripts_it_all_works(api: Api, person_without_scripts: Person) -> None:
    bind(api)
    page = person_without_scripts.open(link(api))
    go_to_provider(page)
    cancel(page)
    failed(page)
    page.get_by_text("For your administrator").click()
    expect(page.locator("#details")).to_contain_text(f"redirect_uri: {person_without_scripts.hub}/oauth/callback")
    expect(page.get_by_role("button")).to_have_count(0)  # None that would do nothing.
    page.get_by_role("link", name="Try again").click()
    go_to_provider(page)
    agree(page)
    connected(page)
    expect(page.get_by_text("You can close this window.")).to_be_visible()


def test_the_pages_fit_a_phone(api: Api, person: Person) -> None:
    bind(api)
    page = person.open(link(api))
    page.set_viewport_size({"width": 320, "height": 640})
    assert overflow(page) == 0
    go_to_provider(page)
    cancel(page)
    failed(page)
    page.get_by_text("For your administrator").click()
    assert overflow(page) == 0


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    found: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found
