"""No secret leaves: what is bound and used on every path is found nowhere that the hub speaks, keeps or passes on.

All of it is told twice: with secrets sealed in their rows, and with an OpenBao that keeps them.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.scene import a_scene
from tests.credentials import openbao
from tests.credentials.internal import servers
from tests.credentials.internal.authority import Authority
from tests.credentials.internal.gateway import SECRET
from tests.credentials.openbao import OpenBao
from tests.isolation import channels
from tests.isolation.flight import ORDER, Flight, fly
from tests.oauth import standing_in

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]


@pytest.fixture(scope="module", params=["local", "vault"])
def flight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flight]:
    directory, authority = tmp_path_factory.mktemp("nginx"), Authority()
    with ExitStack() as stack:
        settings, own = dict(servers.TRUST), {"gateway_secret": SECRET}
        if request.param == "vault":
            bao = stack.enter_context(openbao.running())
            own["vault_token"] = bao.token()
            settings |= {"VAULT_BACKEND": "vault", "VAULT_ADDR": bao.url, "VAULT_TOKEN": own["vault_token"]}
        google = stack.enter_context(standing_in.running())
        overlay = directory / "providers.yaml"
        overlay.write_text(standing_in.overlay(google.url))
        scene = stack.enter_context(a_scene(OAUTH_PROVIDERS_FILE=str(overlay), **settings))
        own["metrics_token"] = scene.kept("METRICS_TOKEN")
        port = int(scene.hub.up()["base_url"].rpartition(":")[2])
        stage = stack.enter_context(servers.behind_nginx(directory, authority, port))
        flight = Flight(scene, stage, google, own)
        with channels.overheard(scene.hub.up()["redis_url"]) as flight.commands:
            fly(flight, authority, directory)
            if request.param == "vault":
                _seal(flight, bao, directory)
        yield flight


def _seal(flight: Flight, bao: OpenBao, directory: Path) -> None:
    """The vault shuts: binding fails with a secret in hand, by the tenant and for it."""
    flight.in_the_vault = channels.vault(bao)
    bao.root.sys.seal()
    for name, bind in (
        ("unsaved_token", lambda: flight.post("/credentials/bind", flight.bound_to("unsaved_token"))),
        ("unserved_token", lambda: flight.bind_as(_billing(directory), "unserved_token")),
    ):
        flight.bound_to(name)
        flight.accept(name)
        assert bind() == 400, flight.answers[-1]
    # What a process has read within five minutes it goes on using.
    assert flight.read_as(*_billing(directory)) in (200, 503)
    assert flight.post("/execute", ORDER) in (200, 503)


def _billing(directory: Path) -> tuple[Path, Path]:
    return directory / "billing.crt", directory / "billing.key"


def test_the_search_finds_a_secret_where_it_is_known_to_be(flight: Flight) -> None:
    """In what the provider was sent: as Basic authorization, and so in base64. Or in the one answer that shows it."""
    asked = [*flight.scene.twilio.asked, *flight.scene.vonage.asked, *flight.google.asked]
    sent = "\n".join(str(each) for each in [*asked, *flight.shown])
    assert set(flight.found(sent)) == set(flight.secrets)


def test_a_sibling_service_is_the_one_that_a_secret_is_handed_to(flight: Flight) -> None:
    answer = flight.handed_out[0]
    assert json.loads(answer.body)["credentials"] == flight.bound_to("service_token")["credentials"]
    assert answer.headers["cache-control"] == "no-store"
    for each in flight.handed_out:
        assert flight.found(str(each)) == ["account_sid", "service_token"]
        assert flight.found(str(each.headers)) == []


def test_no_answer_holds_a_secret(flight: Flight) -> None:
    assert len(flight.answers) >= 26
    assert flight.found("\n".join(flight.answers)) == []


def test_no_log_line_and_no_traceback_holds_a_secret(flight: Flight) -> None:
    text = channels.logs(flight.scene)
    assert '"event": "request"' in text
    assert '"path": "/integrationhub/v1/internal/credentials/bind"' in text
    assert flight.found(text) == []


def test_no_task_message_and_no_command_to_valkey_holds_a_secret(flight: Flight) -> None:
    commands = "\n".join(flight.commands)
    assert "run_execution" in commands
    assert flight.found(commands) == []


def test_nothing_kept_in_valkey_holds_a_secret(flight: Flight) -> None:
    text = channels.valkey(flight.scene.hub.up()["redis_url"])
    assert "hub:circuit:" in text
    assert flight.found(text) == []


def test_no_row_of_the_database_holds_a_secret_in_plain_text(flight: Flight) -> None:
    """The audit trail among them, which tells of each reading."""
    text = channels.database(flight.scene.owner_url())
    assert "twilio_sms" in text
    assert "credential.read" in text
    assert flight.found(text) == []


def test_nothing_in_the_vault_is_plain_text(flight: Flight, request: pytest.FixtureRequest) -> None:
    """What the hub hands to another host it has sealed before."""
    assert bool(flight.in_the_vault) == (request.node.callspec.params["flight"] == "vault")
    assert flight.found(flight.in_the_vault) == []


def test_no_page_of_the_admin_holds_a_secret(flight: Flight) -> None:
    pages = channels.admin_pages(flight.scene)
    for rows in ("/credentials/credential/", "/totp/enrolment/", "/oauth/connection/"):
        assert any(rows in path and path.endswith("/change/") for path in pages), sorted(pages)
    assert [path for path, text in pages.items() if flight.found(text)] == []


def test_no_public_page_and_no_document_holds_a_secret(flight: Flight) -> None:
    text = channels.public_pages(flight.scene)
    assert '"openapi"' in text
    assert flight.found(text) == []


def test_no_metric_holds_a_secret_or_says_whose_executions_these_are(flight: Flight) -> None:
    text = channels.metrics(flight.scene)
    assert 'provider_key="twilio_sms"' in text
    assert 'route="/internal/credentials/{tenant_id}/{provider_key}"' in text
    assert flight.found(text) == []
    assert [word for word in (flight.scene.hub.up()["tenant_id"], "4155552671", "canary") if word in text] == []
