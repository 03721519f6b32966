"""Requests to a tenant's own server, verified by the `standardwebhooks` package as a receiver would."""

import json
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import InvalidRequest
from providers import registry, schema_faults
from providers.adapter import Call, Receipt
from providers.adapters import http_webhook
from providers.adapters.http_webhook import HttpWebhook
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.core.servers import RawServer
from tests.make import Api
from tests.providers.answering import AnsweringServer
from tests.providers.misbehaving import RESET, MisbehavingServer, answering

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def asked(
    server: AnsweringServer | MisbehavingServer | None, secrets: Any = None, hosts: Any = None, **payload: Any
) -> Call:
    """`payload` has another `url` where there is no `server`."""
    return Call(
        uuid4(),
        "webhook.send.http",
        {"url": server and f"{server.base_url}/hooks/orders?of=shop", "body": {"order": "Ä-1042"}, **payload},
        Deadline.after(5),
        config={"allowed_hosts": ["127.0.0.1"] if hosts is None else hosts},
        secrets=secrets or {},
        attempt_id=uuid4(),
    )


def send(call: Call) -> Receipt:
    registry.instance("http_webhook").preflight(call)
    return registry.instance("http_webhook").execute(call)


def failure(call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        send(call)
    return caught.value


def faults(call: Call) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        registry.instance("http_webhook").preflight(call)
    with pytest.raises(Next, match="nothing was sent"):
        registry.instance("http_webhook").execute(call)
    return [(fault["field"], fault["reason"]) for fault in caught.value.details["fields"]]


def test_what_was_asked_for_is_sent_and_what_was_answered_returned(server: AnsweringServer) -> None:
    server.answer(202, {"queued": True})
    receipt = send(asked(server, method="PUT", headers={"X-Shop": "north", "Idempotency-Key": "o-1"}))
    [request] = server.asked
    assert (request.method, request.path) == ("PUT", "/hooks/orders?of=shop")
    assert request.json() == {"order": "Ä-1042"}
    given = {name: request.headers.get(name) for name in ("X-Shop", "Idempotency-Key", "Content-Type")}
    assert given == {"X-Shop": "north", "Idempotency-Key": "o-1", "Content-Type": "application/json"}
    assert not {"Authorization", "Cookie", "webhook-signature"} & request.headers.keys()
    assert receipt.result == {"status": 202, "answer": '{"queued": true}'}


@pytest.mark.parametrize("status", [200, 201, 204])
def test_every_2xx_is_a_success_whatever_it_says(server: AnsweringServer, status: int) -> None:
    server.answer(status, b"" if status == 204 else b"<html>\n\x00thanks</html>")
    answer = send(asked(server)).result["answer"]
    assert answer == ("" if status == 204 else "<html> thanks</html>")


def test_an_answer_is_quoted_in_part_and_without_our_secrets(server: AnsweringServer) -> None:
    server.answer(200, f"You said {SECRET} and Bearer hunter2-hunter2; ".encode() + 2000 * b"x")
    secrets = {"signing_secret": SECRET, "authorization": "Bearer hunter2-hunter2"}
    answer = send(asked(server, secrets)).result["answer"]
    assert len(answer) == 500
    assert "MfKQ9r8" not in answer
    assert "hunter2" not in answer


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"Content-Encoding: gzip\r\nContent-Length: 4", b"\x1f\x8b\x08\x00"),
        (b"Content-Length: 2097152", bytes(2 * 1024 * 1024)),
        (b"Transfer-Encoding: chunked", b"zz\r\nok\r\n0\r\n\r\n"),
        (b"Content-Length: 90", b"broken off"),
    ],
    ids=["compressed", "of 2 MiB", "in a broken chunk", "broken off"],
)
@pytest.mark.parametrize(("status", "kind"), [(200, None), (422, Stop), (503, Retry)])
def test_the_status_holds_where_what_was_answered_cannot_be_read(
    head: bytes, said: bytes, status: int, kind: type[ProviderError] | None
) -> None:
    with MisbehavingServer(b"HTTP/1.1 %d Said\r\n%s\r\n\r\n%s" % (status, head, said)) as server:
        if kind is None:
            assert send(asked(server)).result == {"status": 200}
        else:
            error = failure(asked(server))
            assert (type(error), error.reason) == (kind, f"upstream_{status}")


@pytest.mark.parametrize(("status", "kind"), [(200, None), (503, Retry)])
def test_an_answer_that_drips_is_waited_for_no_longer_than_a_moment(
    status: int, kind: type[ProviderError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http_webhook.BODY_SECONDS == 2
    monkeypatch.setattr(http_webhook, "BODY_SECONDS", 0.2)
    head = b"HTTP/1.1 %d Said\r\nContent-Length: 90\r\n\r\n" % status
    with RawServer([head, *(each for _ in range(30) for each in (b"a", 0.1))]) as server:
        call = asked(None, url=f"{server.url}/hooks")
        assert send(call).result == {"status": 200} if kind is None else type(failure(call)) is kind
        assert call.deadline.remaining() > 4
        assert len(server.requests) == 1


@pytest.mark.parametrize("payload", [{}, {"body": None}, {"body": "plain"}, {"method": "DELETE"}])
def test_a_receiver_can_verify_who_called(server: AnsweringServer, payload: dict[str, Any]) -> None:
    server.answer(204, b"")
    call = asked(server, {"signing_secret": SECRET}, **payload)
    receipt = send(call)
    [request] = server.asked
    Webhook(SECRET).verify(request.body, dict(request.headers), json_parse=False)
    assert request.headers["webhook-id"] == receipt.reference == f"msg_{call.attempt_id}"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body + b" ", dict(request.headers))


def test_a_request_without_a_body_is_signed_too(server: AnsweringServer) -> None:
    server.answer(204, b"")
    call = asked(server, {"signing_secret": SECRET}, method="GET")
    del call.payload["body"]  # type: ignore[attr-defined]
    send(call)
    [request] = server.asked
    assert (request.body, request.headers.get("Content-Type")) == (b"", None)
    Webhook(SECRET).verify(request.body, dict(request.headers), json_parse=False)


def test_a_signing_secret_of_the_right_letters_that_is_no_base64_sends_nothing(server: AnsweringServer) -> None:
    error = failure(asked(server, {"signing_secret": SECRET + "a"}))
    assert (type(error), error.reason, error.credential_refused) == (Next, "signing_secret_unreadable", True)
    assert server.asked == []


def test_the_endpoints_own_login_comes_from_the_credential(server: AnsweringServer) -> None:
    server.answer(204, b"")
    send(asked(server, {"authorization": "Bearer hunter2-hunter2"}))
    assert server.asked[0].headers["Authorization"] == "Bearer hunter2-hunter2"
    assert "webhook-signature" not in server.asked[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hooks",
        "https://sub.example.com/hooks",
        "https://example.com.evil.org/",
        "https://example.com@evil.org/",
        "https://evil.org\\@example.com/",
        "https://evil.org/#@example.com",
        "https://evil.org?@example.com",
        "https://[::1]/",
        "ftp://example.com/",
        "https://example.com\t.evil.org/",
    ],
)
def test_a_host_that_is_not_listed_is_not_called(server: AnsweringServer, url: str) -> None:
    assert faults(asked(server, hosts=["example.com"], url=url)) == [("payload.url", "host_not_allowed")]


@pytest.mark.parametrize(
    "url", ["https://EXAMPLE.com/", "https://example.com.:8443/", "https://\uff45xample\u3002com/"]
)
def test_a_host_is_read_as_it_is_dialled(server: AnsweringServer, url: str) -> None:
    registry.instance("http_webhook").preflight(asked(server, hosts=["example.com"], url=url))


def test_a_listed_host_in_our_own_network_is_not_called(server: AnsweringServer, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    error = failure(asked(server))
    assert (type(error).__mro__[1], error.reason) == (Next, "refused")
    assert server.asked == []


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Content-Length", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Trailer", "Expect"),
        *("Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Signature"),
        *("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Original-URL", "X-HTTP-Method-Override"),
        *("webhook-id", "webhook-signature", "Accept-Encoding", "Content-Encoding"),
    ],
)
def test_a_header_that_is_not_the_callers_is_refused(server: AnsweringServer, name: str) -> None:
    assert faults(asked(server, headers={name: "1"})) == [(f"payload.headers.{name}", "not_allowed")]
    assert server.asked == []


@pytest.mark.parametrize("media_type", ["application/cloudevents+json", "application/json; charset=utf-8"])
def test_a_body_may_be_json_of_a_kind(server: AnsweringServer, media_type: str) -> None:
    server.answer(204, b"")
    send(asked(server, headers={"content-type": media_type}))
    assert {name.lower(): value for name, value in server.asked[0].headers.items()}["content-type"] == media_type


def test_a_body_is_not_said_to_be_what_it_is_not(server: AnsweringServer) -> None:
    assert faults(asked(server, headers={"Content-Type": "text/xml"})) == [
        ("payload.headers.Content-Type", "wrong_form")
    ]


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (answering(400, b'{"error": "no such order"}'), Stop, "upstream_400"),
        (answering(404), Stop, "upstream_404"),
        (answering(410), Stop, "upstream_410"),
        (answering(401), Next, "upstream_401"),
        (answering(429, Retry_After="7"), Retry, "upstream_429"),
        (answering(503), Retry, "upstream_503"),
        (answering(500), Ambiguous, "upstream_500"),
        (answering(302, Location="http://127.0.0.1:9/"), Ambiguous, "upstream_302"),
        (RESET, Ambiguous, "connection_lost"),
        (b"", Ambiguous, "connection_lost"),
    ],
)
def test_what_is_no_success_has_its_class(answer: bytes, kind: type[ProviderError], reason: str) -> None:
    with MisbehavingServer(answer) as server:
        error = failure(asked(server, {"signing_secret": SECRET}))
    assert (type(error), error.reason, server.hits) == (kind, reason, 1)
    assert "hooks/orders" not in repr(vars(error)) + str(error)


def test_the_refusal_is_quoted(server: AnsweringServer) -> None:
    server.answer(422, {"error": "no such order"})
    assert "no such order" in str(failure(asked(server)))


def test_a_tenant_sends_through_the_api_without_a_credential(api: Api, server: AnsweringServer) -> None:
    server.answer(200, {"ok": True})
    config = {"allowed_hosts": ["127.0.0.1"]}
    assert api.post("/marketplace/integrations/http_webhook/install", {"config": config}).status_code == 201
    order = {
        "category": "automation",
        "intent": "webhook.send.http",
        "payload": {"url": f"{server.base_url}/hooks", "body": [1]},
    }
    body = api.post("/execute", order).json()
    assert (body["status"], body["result"]) == ("succeeded", {"status": 200, "answer": '{"ok": true}'})
    order["payload"] = {"url": "https://example.org/"}
    refused = api.post("/execute", order)
    assert (refused.status_code, refused.json()["details"]["fields"][0]["reason"]) == (400, "host_not_allowed")
    assert [json.loads(request.body) for request in server.asked] == [[1]]


@pytest.mark.parametrize("host", ["Example.com", "*.example.com", "example.com:443", "https://example.com", "", "com."])
def test_a_host_is_listed_by_its_name_alone(host: str) -> None:
    validator = schema_faults.compiled(HttpWebhook.config_schema)
    assert schema_faults.faults(validator, {"allowed_hosts": [host]})


@pytest.mark.parametrize(
    "credential",
    [{"signing_secret": "whsec_short"}, {"signing_secret": SECRET[6:]}, {"authorization": "Bearer a\r\nX: y"}, {}],
)
def test_a_credential_that_is_none_is_refused(credential: dict[str, str]) -> None:
    assert schema_faults.faults(schema_faults.compiled(HttpWebhook.credential_schema), credential)
