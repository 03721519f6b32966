"""What a tenant sees of mail: services and servers are bound, installed and asked in order through the API."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers.models import Provider
from tests.make import Api
from tests.providers import conformance, mail_services
from tests.providers.answering import AnsweringServer
from tests.providers.mail_servers import MailServer
from tests.providers.mail_services import TO

PAYLOAD = {"to": [TO, "bob@example.com"], "subject": "Your receipt", "text": "Thank you.", "from": "orders@example.com"}
MESSAGE = {"category": "messaging", "intent": "message.send.email", "payload": PAYLOAD}


@pytest.fixture
def services() -> Iterator[dict[str, AnsweringServer]]:
    """Mailgun and Postmark, each at an address that an operator has set."""
    servers = {"mailgun_email": AnsweringServer(), "postmark_email": AnsweringServer()}
    for key, server in servers.items():
        server.start()
        Provider.objects.filter(provider_key=key).update(base_url=server.base_url)
    servers["mailgun_email"].answer(200, {"domain": {"name": "mg.example.com"}})
    servers["postmark_email"].answer(200, {"ID": 1})
    yield servers
    for server in servers.values():
        server.stop()


def install(api: Api, key: str, credentials: dict[str, Any], priority: int = 0) -> None:
    bound = api.post("/credentials/bind", {"provider_key": key, "credentials": credentials})
    assert (bound.status_code, bound.json().get("verified")) == (201, True), bound.content
    body = {"config": {"from_name": "Blue Bottle Café"}, "priority": priority}
    assert api.post(f"/marketplace/integrations/{key}/install", body).status_code == 201


def test_a_domain_that_mailgun_does_not_know_is_left_to_postmark(
    api: Api, services: dict[str, AnsweringServer]
) -> None:
    for priority, key in enumerate(services):
        install(api, key, mail_services.conformance.secrets_of(mail_services.adapter(key)), priority)
    services["mailgun_email"].answer(404, {"message": "Domain not found: mg.example.com"})
    mail_services.accept(services["postmark_email"], "postmark_email")
    body = api.post("/execute", MESSAGE).json()
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "postmark_email", True)
    assert body["reference"] == "b7bc2f4a-1"
    assert [(each["class"], each["reason"]) for each in body["attempts"][:1]] == [("next", "upstream_404")]
    sent = services["postmark_email"].asked[-1].json()
    assert (sent["From"], sent["To"]) == ("Blue Bottle Café <orders@example.com>", f"{TO}, bob@example.com")


def test_a_recipient_that_postmark_refuses_ends_the_chain(api: Api, services: dict[str, AnsweringServer]) -> None:
    install(api, "postmark_email", mail_services.conformance.secrets_of(mail_services.adapter("postmark_email")))
    services["postmark_email"].answer(422, {"ErrorCode": 406, "Message": "Found inactive addresses."})
    answer = api.post("/execute", MESSAGE)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "refused_by_provider")
    assert "Found inactive addresses." in answer.json()["message"]


def test_a_mail_server_of_the_tenants_own_takes_the_message(api: Api) -> None:
    with MailServer(refusals={"bob@example.com": "550 5.1.1 No such user"}) as server:
        install(api, "smtp_email", {"host": "127.0.0.1", "port": server.port, "security": "none"})
        body = api.post("/execute", MESSAGE).json()
    assert (body["status"], body["provider_key"]) == ("succeeded", "smtp_email")
    assert [each["status"] for each in body["result"]["recipients"]] == ["queued", "rejected"]
    assert [told.recipients for told in server.delivered] == [[TO]]


def test_a_mail_server_that_is_away_is_not_bound(api: Api) -> None:
    with conformance.refusing() as nowhere:
        credentials = {"host": "127.0.0.1", "port": urlsplit(nowhere).port, "security": "none"}
        answer = api.post("/credentials/bind", {"provider_key": "smtp_email", "credentials": credentials})
    assert (answer.status_code, answer.json()["details"]["upstreamReason"]) == (400, "refused")


def test_a_user_without_a_password_is_no_login(api: Api) -> None:
    credentials = {"host": "smtp.example.com", "username": "orders"}
    answer = api.post("/credentials/bind", {"provider_key": "smtp_email", "credentials": credentials})
    assert answer.status_code == 400
    assert "password" in str(answer.json()["details"]["fields"])
