"""A person in front of a real Chromium, and the hub under gunicorn, on one database with the test."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect, sync_playwright

from integrationhub.launcher.ports import listen_on
from tests.browser.person import SECONDS, Person
from tests.oauth import peer, standing_in
from tests.oauth.standing_in import StandIn
from tests.serving import serving

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--no-first-run",
    # Whatever asks for another host fails at once.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a hub whose eight providers are the certified OpenID provider; ended by its pid."""
    listener = listen_on(0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with peer.running([f"{url}/oauth/callback/{{key}}"]) as provider:
        table = tmp_path_factory.mktemp("hub") / "providers.yaml"
        table.write_text(provider.overlay())
        with serving(listener=listener, PUBLIC_BASE_URL=url, OAUTH_PROVIDERS_FILE=str(table)):
            yield url


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The machine's own, with nobody signed in anywhere."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail("These tests want a Chromium: `apt-get install chromium` on Debian.")
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright leaves an event loop running in this thread, in which Django refuses the database to whoever has
        # not said this. Nothing here awaits anything.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=SECONDS * 1000)
        with playwright.chromium.launch(executable_path=found, args=ARGUMENTS) as browser:
            yield browser


@pytest.fixture
def person(chromium: Browser, hub: str, settings: Any) -> Iterator[Person]:
    """With JavaScript; whatever the hub's pages complained of or asked of others fails the test in the end."""
    settings.PUBLIC_BASE_URL = hub
    with chromium.new_context() as context:
        found = Person(context, hub)
        yield found
        assert found.complaints == []


@pytest.fixture
def person_without_scripts(chromium: Browser, hub: str, settings: Any) -> Iterator[Person]:
    settings.PUBLIC_BASE_URL = hub
    with chromium.new_context(java_script_enabled=False) as context:
        found = Person(context, hub)
        yield found
        assert found.complaints == []


@pytest.fixture
def application() -> Iterator[StandIn]:
    """A server for the pages of the application that has an account connected."""
    with standing_in.running() as server:
        yield server


@pytest.fixture
def operators(person: Person, operator: Client) -> Person:
    """With the cookie of an operator who has signed in."""
    session = {"name": "sessionid", "value": operator.cookies["sessionid"].value, "url": person.hub}
    person.context.add_cookies([session])
    return person
