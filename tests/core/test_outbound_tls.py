"""TLS goes by the name in the URL, whatever address was dialled for it."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer, AnswerLost, Client, NotSent, OutboundError
from tests.core import identities
from tests.core.hostile import OK, SERVERS, Talk, hangs, read_request, reads_nothing, seconds_for, serving
from tests.core.identities import Identity

NAME = "provider.example"


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identities.make(tmp_path_factory.mktemp("tls"), NAME)


class Provider:
    """Answers over TLS, notes what it was asked under which server name, and keeps its connections open."""

    def __init__(self, identity: Identity) -> None:
        self.context, self.asked, self.names, self.connections = identity.server, list[bytes](), list[str | None](), 0
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)

    def talk(self, client: socket.socket) -> None:
        self.connections += 1
        with self.context.wrap_socket(client, server_side=True) as secure:
            while request := read_request(secure):
                self.asked.append(request)
                secure.sendall(OK + b"Content-Length: 40000\r\n\r\n" + b"1" * 40_000)


@pytest.fixture
def provider(identity: Identity) -> Provider:
    return Provider(identity)


@pytest.fixture
def port(provider: Provider) -> Iterator[str]:
    with serving(provider.talk) as url:
        yield url.rpartition(":")[2]


def ask(port: str, host: str = NAME, client: Client | None = None, tls: ssl.SSLContext | None = None) -> Answer:
    chosen = client or Client(resolve=lambda host, seconds: ["127.0.0.1"], tls=tls)
    return chosen.request("GET", f"https://{host}:{port}/a", deadline=Deadline.after(2))


def test_name_of_the_url_is_verified_and_told(provider: Provider, port: str, identity: Identity) -> None:
    assert len(ask(port, tls=identity.client).body) == 40_000
    assert provider.names == [NAME]
    assert f"Host: {NAME}:{port}\r\n".encode() in provider.asked[0]


def test_address_is_verified_as_an_address(port: str, identity: Identity) -> None:
    assert ask(port, "127.0.0.1", tls=identity.client).status == 200


def test_connection_is_used_again(provider: Provider, port: str, identity: Identity) -> None:
    client = Client(resolve=lambda host, seconds: ["127.0.0.1"], tls=identity.client)
    for _ in range(3):
        ask(port, client=client)
    assert (len(provider.asked), provider.connections) == (3, 1)


def test_what_comes_after_an_answer_in_one_record_is_never_the_next_one(identity: Identity) -> None:
    head, connections = OK + b"Content-Length: 8000\r\nX-A: ", list[socket.socket]()
    # As long as what is read at once, so that what follows it waits decrypted inside of the TLS library.
    own = head + b"a" * (8192 - 8000 - len(head) - 4) + b"\r\n\r\n" + b"1" * 8000

    def talk(client: socket.socket) -> None:
        connections.append(client)
        with identity.server.wrap_socket(client, server_side=True) as secure:
            while read_request(secure):
                secure.sendall(own + OK + b"Content-Length: 7\r\n\r\nforeign")

    with serving(talk) as url:
        client = Client(resolve=lambda host, seconds: ["127.0.0.1"], tls=identity.client)
        answers = [ask(url.rpartition(":")[2], client=client).body for _ in range(3)]
    assert answers == [b"1" * 8000] * 3
    assert len(connections) == 3


def test_certificate_of_another_name_is_refused(provider: Provider, port: str, identity: Identity) -> None:
    with pytest.raises(NotSent, match="tls"):
        ask(port, "other.example", tls=identity.client)
    assert provider.asked == []


def test_certificate_of_an_unknown_authority_is_refused(provider: Provider, port: str) -> None:
    with pytest.raises(NotSent, match="tls"):
        ask(port)
    assert provider.asked == []


def test_connection_that_breaks_in_the_handshake_was_never_sent_anything() -> None:
    talk: Talk = lambda client: client.recv(1)  # noqa: E731
    with serving(talk) as url, pytest.raises(NotSent, match="tls"):
        ask(url.rpartition(":")[2])


def after_a_good_answer(talk: Talk) -> Talk:
    """The same on a connection that has served once, and is used again."""

    def first(client: socket.socket) -> None:
        read_request(client)
        client.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
        talk(client)

    return first


def over_tls(identity: Identity, talk: Talk) -> Talk:
    def secured(client: socket.socket) -> None:
        with identity.server.wrap_socket(client, server_side=True) as secure:
            talk(secure)

    return secured


def ended(client: Client, url: str, seconds: float = 0.4, **request: Any) -> tuple[type, str]:
    """How an exchange ends. It is watched from outside, since one that hangs would hang the tests too."""
    ends: list[tuple[type, str]] = []

    def exchange() -> None:
        try:
            client.request("POST", url, deadline=Deadline.after(seconds), **{"json": {"a": 1}, **request})
        except OutboundError as error:
            ends.append((type(error), error.reason))

    thread = threading.Thread(target=exchange, daemon=True)
    thread.start()
    thread.join(seconds + 4)
    assert not thread.is_alive(), "It goes on behind its deadline."
    return ends[0]


@pytest.mark.parametrize("way", ["https", "https, used again", "http, used again"])
@pytest.mark.parametrize("name", SERVERS)
def test_server_that(identity: Identity, way: str, name: str) -> None:
    talk, reason = SERVERS[name]
    talk = after_a_good_answer(talk) if "again" in way else talk
    talk = over_tls(identity, talk) if "https" in way else talk
    client = Client(resolve=lambda host, seconds: ["127.0.0.1"], tls=identity.client)
    with serving(talk) as served:
        url = served.replace("http://127.0.0.1", f"https://{NAME}") if "https" in way else served
        if "again" in way:
            assert client.request("POST", url, deadline=Deadline.after(2), json={}).json() == {}
        assert ended(client, url, seconds_for(reason)) == (AnswerLost, reason)


@pytest.mark.parametrize("is_secure", [True, False])
def test_big_request_on_a_used_connection_that_nobody_reads_ends_in_time(identity: Identity, is_secure: bool) -> None:
    talk = after_a_good_answer(reads_nothing)
    client = Client(resolve=lambda host, seconds: ["127.0.0.1"], tls=identity.client)
    with serving(over_tls(identity, talk) if is_secure else talk) as served:
        url = served.replace("http://127.0.0.1", f"https://{NAME}") if is_secure else served
        assert client.request("POST", url, deadline=Deadline.after(2), json={}).json() == {}
        assert ended(client, url, json=None, data=bytes(30_000_000)) == (AnswerLost, "read_timeout")


def test_half_a_record_ends_in_time(identity: Identity) -> None:
    def talk(client: socket.socket) -> None:
        with identity.server.wrap_socket(client, server_side=True) as secure:
            read_request(secure)
            with socket.socket(fileno=os.dup(secure.fileno())) as raw:
                raw.settimeout(5)
                raw.sendall(b"\x17\x03\x03\x40\x00" + bytes(100))
                hangs(raw)

    client = Client(resolve=lambda host, seconds: ["127.0.0.1"], tls=identity.client)
    with serving(talk) as served:
        assert ended(client, served.replace("http://127.0.0.1", f"https://{NAME}")) == (AnswerLost, "read_timeout")
