"""Plain SMTP: aiosmtpd over real sockets and TLS, and servers that misbehave in the middle of the conversation."""

import ssl
import time
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Client
from providers import registry
from providers.adapter import Call, Receipt
from providers.errors import Ambiguous, Blocked, Next, ProviderError, Retry, Stop
from tests.core import identities
from tests.core.identities import Identity
from tests.providers.answering import call
from tests.providers.mail_servers import CLOSE, PASSWORD, SILENCE, USER, MailServer, ScriptedServer

NAME = "smtp.example"
ADA, BOB, SENDER = "ada@example.com", "bob@example.com", "orders@example.com"


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identities.make(tmp_path_factory.mktemp("smtp"), NAME)


def client(tls: ssl.SSLContext | None = None) -> Client:
    return Client(resolve=lambda host, _: ["127.0.0.1"] if host == NAME else [host], tls=tls)


def mail(port: int, *, security: str = "none", login: bool = False, host: str = NAME, **payload: Any) -> Call:
    given = {"to": [ADA], "from": SENDER, "subject": "Your receipt", "text": "Thank you, Ada.", **payload}
    secrets: dict[str, Any] = {"host": host, "port": port, "security": security}
    secrets |= {"username": USER, "password": PASSWORD} if login else {}
    return replace(call("message.send.email", given), secrets=secrets, deadline=Deadline.after(5))


def send(asked: Call, tls: ssl.SSLContext | None = None) -> Receipt:
    return registry.get("smtp_email")(client(tls)).execute(asked)


def failed(asked: Call, tls: ssl.SSLContext | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        send(asked, tls)
    assert PASSWORD not in repr(vars(caught.value))
    return caught.value


def verbs(server: ScriptedServer) -> list[str]:
    return [line.split()[0].upper() for line in server.heard]


# --- Accepted ---


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_message_is_handed_over_behind_tls_and_a_login(identity: Identity, security: str) -> None:
    with MailServer(wants_login=security == "starttls", **{security: identity.server}) as server:
        asked = mail(server.port, security=security, login=security == "starttls", cc=[BOB], bcc=["audit@example.com"])
        receipt = send(asked, identity.client)
    [told] = server.delivered
    assert told.is_secure
    assert told.user == (USER if security == "starttls" else None)
    assert (told.sender, told.recipients) == (SENDER, [ADA, BOB, "audit@example.com"])
    message: Any = message_from_bytes(told.content, policy=policy.default)
    assert (message["To"], message["Cc"], message["Bcc"]) == (ADA, BOB, None)
    assert message["Message-ID"] == receipt.reference == f"<{asked.attempt_id}@integration-hub.invalid>"
    assert message["Date"]
    assert {each["status"] for each in receipt.result["recipients"]} == {"queued"}


def test_lines_that_begin_with_a_dot_arrive_as_they_are() -> None:
    with MailServer() as server:
        send(mail(server.port, text="one\n.\n..two\n.three"))
    message: Any = message_from_bytes(server.delivered[0].content, policy=policy.default)
    assert message.get_content().splitlines() == ["one", ".", "..two", ".three"]


def test_a_large_attachment_arrives_whole(identity: Identity) -> None:
    with MailServer(starttls=identity.server) as server:
        send(
            mail(server.port, security="starttls", attachments=[{"filename": "a.bin", "content": "AAAA" * 500_000}]),
            identity.client,
        )
    message: Any = message_from_bytes(server.delivered[0].content, policy=policy.default)
    [file] = message.iter_attachments()
    assert len(file.get_content()) == 1_500_000


# --- Never in the open, never to somebody else ---


def test_a_server_without_starttls_gets_neither_password_nor_message() -> None:
    with ScriptedServer() as server:
        error = failed(mail(server.port, security="starttls", login=True))
    assert (type(error), error.reason) == (Next, "starttls_unavailable")
    assert verbs(server) == ["EHLO"]


def test_a_password_is_not_sent_in_the_open() -> None:
    with ScriptedServer(EHLO=b"250-hi\r\n250 AUTH PLAIN\r\n") as server:
        error = failed(mail(server.port, security="none", login=True))
    assert (type(error), error.reason, server.heard) == (Next, "password_without_tls", [])


def test_a_server_of_another_name_is_not_trusted(identity: Identity) -> None:
    for security in ("starttls", "tls"):
        with MailServer(**{security: identity.server}) as server:
            stranger = Client(resolve=lambda *_: ["127.0.0.1"], tls=identity.client)
            asked = mail(server.port, security=security, login=True, host="other.example")
            with pytest.raises(Next) as caught:
                registry.get("smtp_email")(stranger).execute(asked)
        assert (caught.value.reason, server.delivered) == ("tls", [])


def test_a_server_with_a_certificate_of_nobodys_is_not_trusted(identity: Identity) -> None:
    with MailServer(starttls=identity.server) as server:
        assert failed(mail(server.port, security="starttls", login=True)).reason == "tls"


def test_what_came_before_tls_is_forgotten_with_it(identity: Identity) -> None:
    """Somebody on the way has put an answer of their own behind the server's."""
    injected = b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"
    with ScriptedServer(identity.server, EHLO=b"250-hi\r\n250 STARTTLS\r\n", STARTTLS=injected) as server:
        error = failed(mail(server.port, security="starttls", login=True), identity.client)
    assert error.reason == "login_unavailable"
    assert verbs(server) == ["EHLO", "STARTTLS", "EHLO"]


@pytest.mark.parametrize("host", ["10.1.2.3", "169.254.169.254", "192.168.0.1"])
def test_an_address_inside_of_a_network_is_not_dialled(host: str) -> None:
    error = failed(mail(587, host=host))
    assert (type(error), error.reason) == (Blocked, "refused")


def test_a_public_address_is_dialled_at_the_ports_of_mail_alone() -> None:
    dialled: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], _: float) -> Any:
        dialled.append(address)
        raise ConnectionRefusedError

    abroad = registry.get("smtp_email")(Client(resolve=lambda *_: ["93.184.216.34"], connect=connect))
    for port in (25, 465, 587, 2525):
        with pytest.raises(Next):
            abroad.execute(mail(port))
    assert dialled == [("93.184.216.34", port) for port in (25, 465, 587, 2525)]
    for port in (22, 443, 6379, 11211):
        with pytest.raises(Blocked):
            abroad.execute(mail(port))
    assert len(dialled) == 4


# --- Refused ---


def test_a_wrong_password_is_the_credentials_fault(identity: Identity) -> None:
    with MailServer(starttls=identity.server, wants_login=True) as server:
        asked = mail(server.port, security="starttls", login=True)
        error = failed(replace(asked, secrets={**asked.secrets, "password": "wrong"}), identity.client)
    assert (type(error), error.reason, error.credential_refused) == (Next, "smtp_535", True)


def test_a_login_that_is_wanted_and_not_given_is_the_credentials_fault(identity: Identity) -> None:
    with MailServer(starttls=identity.server, wants_login=True) as server:
        error = failed(mail(server.port, security="starttls"), identity.client)
    assert (type(error), error.reason, error.credential_refused) == (Next, "smtp_530", True)


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        ("550 5.1.1 No such user here", Stop, "smtp_550"),
        ("550 No such user here", Stop, "smtp_550"),
        ("553 5.1.3 Bad address", Stop, "smtp_553"),
        ("550 5.7.1 Relaying denied", Next, "smtp_550"),
        ("553 5.1.8 Sender address rejected: Domain not found", Next, "smtp_553"),
        ("553 5.1.7 Sender address rejected", Next, "smtp_553"),
        ("552 5.2.2 Mailbox full", Stop, "smtp_552"),
        ("450 4.2.1 Greylisted, come back", Retry, "smtp_450"),
        ("421 4.3.2 Shutting down", Retry, "smtp_421"),
    ],
)
def test_a_recipient_that_is_refused(reply: str, kind: type[ProviderError], reason: str) -> None:
    with MailServer(refusals={ADA: reply}) as server:
        error = failed(mail(server.port))
    assert (type(error), error.reason, error.credential_refused) == (kind, reason, False)
    assert server.delivered == []


def test_who_was_refused_is_told_when_others_were_written_to() -> None:
    with MailServer(refusals={BOB: "550 5.1.1 No such user"}) as server:
        receipt = send(mail(server.port, to=[ADA, BOB]))
    assert receipt.result["recipients"] == [
        {"to": ADA, "status": "queued", "id": None},
        {"to": BOB, "status": "rejected", "id": None, "code": "550", "message": "5.1.1 No such user"},
    ]
    assert server.delivered[0].recipients == [ADA]


def test_who_would_be_taken_later_is_told_apart_from_who_never_will() -> None:
    """Greylisting takes nobody at the first time, and everybody some minutes later."""
    eve = "eve@example.com"
    refusals = {BOB: f"450 4.2.0 <{BOB}>: Greylisted, come\tback", eve: "550 5.1.1 No such user"}
    with MailServer(refusals=refusals) as server:
        receipt = send(mail(server.port, to=[ADA, BOB, eve]))
        told = {each["to"]: each["status"] for each in receipt.result["recipients"]}
        assert told == {ADA: "queued", BOB: "deferred", eve: "rejected"}
        said = receipt.result["recipients"][1]
        assert (said["code"], said["message"]) == ("450", f"4.2.0 <{BOB}>: Greylisted, come back")
        server.refusals.clear()
        send(mail(server.port, to=[address for address, status in told.items() if status == "deferred"]))
    assert [each.recipients for each in server.delivered] == [[ADA], [BOB]]


def test_what_is_said_of_a_recipient_repeats_no_password(identity: Identity) -> None:
    with MailServer(starttls=identity.server, wants_login=True, refusals={BOB: f"450 {PASSWORD}"}) as server:
        asked = mail(server.port, security="starttls", login=True, to=[ADA, BOB])
        receipt = send(asked, identity.client)
    assert receipt.result["recipients"][1]["status"] == "deferred"
    assert PASSWORD not in str(receipt.result)


def test_of_recipients_that_are_all_refused_the_one_that_may_yet_be_taken_counts() -> None:
    with MailServer(refusals={ADA: "550 5.1.1 No", BOB: "450 4.2.1 Later"}) as server:
        assert type(failed(mail(server.port, to=[ADA, BOB]))) is Retry


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        ("554 5.6.0 This is spam", Stop, "smtp_554"),
        ("550 5.7.26 Not authenticated by DMARC", Next, "smtp_550"),
        ("552 5.3.4 Message too big", Next, "message_too_large"),
        ("552 Too big", Next, "message_too_large"),
        ("451 4.3.0 Queue full", Retry, "smtp_451"),
    ],
)
def test_a_message_that_is_refused(reply: str, kind: type[ProviderError], reason: str) -> None:
    with MailServer(end_of_data=reply) as server:
        error = failed(mail(server.port))
    assert (type(error), error.reason) == (kind, reason)


def test_a_sender_that_is_refused_may_be_another_providers() -> None:
    with MailServer(sender_reply="550 5.1.8 Not your sender") as server:
        assert type(failed(mail(server.port))) is Next


@pytest.mark.parametrize("address", ['"two words"@example.com', "zoë@example.com", "a@b>c.com", "ada@exa mple.com"])
def test_an_address_that_not_every_server_takes_is_left_to_another(address: str) -> None:
    with MailServer() as server:
        error = failed(mail(server.port, bcc=[address]))
    assert (type(error), error.reason, server.delivered) == (Next, "unsupported_feature", [])


def test_a_domain_in_other_letters_is_written_in_ascii() -> None:
    with MailServer() as server:
        send(mail(server.port, bcc=["ada@bücher.example"]))
    assert server.delivered[0].recipients == [ADA, "ada@xn--bcher-kva.example"]


# --- Lost ---


@pytest.mark.parametrize(("said", "reason"), [(CLOSE, "connection_lost"), (b"what?\r\n", "unreadable_answer")])
@pytest.mark.parametrize("verb", ["greeting", "MAIL", "RCPT", "DATA"])
def test_what_breaks_before_the_message_has_sent_nothing(verb: str, said: bytes, reason: str) -> None:
    with ScriptedServer(**{verb: said}) as server:
        error = failed(mail(server.port))
    assert (type(error), error.reason) == (Next, reason)
    assert "." not in server.heard


@pytest.mark.parametrize(
    ("said", "reason"),
    [(CLOSE, "connection_lost"), (b"what?\r\n", "unreadable_answer"), (b"354 more\r\n", "unreadable_answer")],
)
def test_what_breaks_after_the_message_is_not_known(said: bytes, reason: str) -> None:
    with ScriptedServer(end=said) as server:
        error = failed(mail(server.port))
    assert (type(error), error.reason, "." in server.heard) == (Ambiguous, reason, True)


@pytest.mark.parametrize(("verb", "kind"), [("greeting", Next), ("RCPT", Next), ("end", Ambiguous)])
def test_silence_ends_with_the_deadline(verb: str, kind: type[ProviderError]) -> None:
    with ScriptedServer(**{verb: SILENCE}) as server:
        begun = time.monotonic()
        error = failed(replace(mail(server.port), deadline=Deadline.after(1.5)))
        assert time.monotonic() - begun < 10
    assert (type(error), error.reason) == (kind, "read_timeout")


def test_a_server_that_drips_ends_with_the_deadline() -> None:
    """Each read is short, and all of them together are not."""
    with ScriptedServer(drip=0.05, greeting=b"220 " + b"x" * 400 + b"\r\n") as server:
        begun = time.monotonic()
        assert failed(replace(mail(server.port), deadline=Deadline.after(1))).reason == "read_timeout"
        assert time.monotonic() - begun < 10


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    with ScriptedServer(EHLO=b"250-x\r\n" * 20_000) as server:
        assert failed(mail(server.port)).reason == "answer_too_large"


def test_a_deadline_that_has_passed_says_nothing() -> None:
    with ScriptedServer() as server:
        error = failed(replace(mail(server.port), deadline=Deadline.after(0)))
    assert (type(error), error.reason, server.heard) == (Next, "deadline_exceeded", [])


# --- The login is checked ---


def test_a_login_is_verified_without_a_message(identity: Identity) -> None:
    adapter = registry.get("smtp_email")(client(identity.client))
    with MailServer(starttls=identity.server, wants_login=True) as server:
        asked = mail(server.port, security="starttls", login=True)
        assert adapter.check(asked) is True
        with pytest.raises(Next) as caught:
            adapter.check(replace(asked, secrets={**asked.secrets, "password": "wrong"}))
    assert (caught.value.credential_refused, server.delivered) == (True, [])
