"""What may be dialled, judged on the address that is dialled: whatever a host's spelling, its DNS or its clothes."""

import re
import socket
from ipaddress import ip_address
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Client, NotSent
from integrationhub.core.outbound.addresses import is_public
from tests.core.servers import RawServer, ok


def words(text: str) -> list[str]:
    """Parted by blanks and ends of lines; `\\r\\n` inside a word is part of it."""
    return [word for word in re.split("(?<!\r)\n +| ", text.strip(" \n")) if word]


NOT_PUBLIC = words("""
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
    168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1
    192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
    64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1
    2001:db8::1 2002:7f00:1::1 2002:a9fe:a9fe::1 2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254
    fe80::1 fe80::1%lo feb0::1 fec0::1 ff02::1 ff0e::1
""")
PUBLIC = words("""
    1.1.1.1 8.8.8.8 100.63.255.254 100.128.0.1 172.15.255.254 172.32.0.1 168.63.129.17 198.17.255.254 223.255.255.254
    2001:200::1 2606:4700:4700::1111 2a00:1450:4001:830::200e
""")
# Spellings that a resolver turns into loopback or link-local, or that no URL may hold.
SPELLINGS = words("""
    https://127.1/ https://127.0.1/ https://0/ https://2130706433/ https://0x7f000001/ https://0x7f.1/
    https://017700000001/ https://0177.0.0.1/ https://127.0.0.1./ https://\uff11\uff12\uff17.0.0.1/ https://127。0。0。1/
    https://①②⑦.0.0.1/ https://[::1]/ https://[::ffff:7f00:1]/ https://[0:0:0:0:0:ffff:127.0.0.1]/
    https://2852039166/ https://0xa9fea9fe/ https://169.254.43518/
    https://[fe80::1%25lo]/ https://[fe80::1%lo]/ https://user@1.1.1.1/ https://user@127.0.0.1/ https://1.1.1.1@127.0.0.1/
    https://a:b@127.0.0.1/ https://127.0.0.1\\@1.1.1.1/ https://127.0.0.1\x00.example/ https://127.0.0.1%00.example/
    https://1.1.1.1:22/ https://1.1.1.1:6379/ https://1.1.1.1:80/ https://1.1.1.1:0/ http://1.1.1.1/
    http://1.1.1.1:443/ file:///etc/passwd gopher://1.1.1.1:443/ ftp://1.1.1.1/ unix:///run/docker.sock
    HTTP+UNIX://%2Frun%2Fdocker.sock/ https:/// https:1.1.1.1 //1.1.1.1/ https://\r\n1.1.1.1/ javascript:alert(1)
""")


class Network:
    """Stands for it: notes what is dialled, and refuses every connection."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.looked_up, self.dialled = answers, list[str](), list[tuple[str, int]]()

    def resolve(self, host: str, seconds: float) -> list[str]:
        self.looked_up.append(host)
        return self.answers[min(len(self.looked_up), len(self.answers)) - 1]

    def connect(self, target: tuple[str, int], seconds: float) -> socket.socket:
        self.dialled.append(target)
        raise ConnectionRefusedError

    def ask(self, url: str = "https://provider.example/hook?token=abc", **client: Any) -> str:
        with pytest.raises(NotSent) as caught:
            (client.get("client") or self.client()).request("POST", url, deadline=Deadline.after(3), json={})
        return caught.value.reason

    def client(self) -> Client:
        return Client(resolve=self.resolve if self.answers else None, connect=self.connect)


@pytest.fixture(autouse=True)
def _nothing_is_opened(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_name_with_an_address_that_is_not_public_is_not_dialled(address: str) -> None:
    network = Network([address])
    assert network.ask() == "refused"
    assert network.dialled == []
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_dialled(address: str) -> None:
    network = Network([address])
    assert network.ask() == "refused"
    assert network.dialled == [(address, 443)]


@pytest.mark.parametrize("url", SPELLINGS)
def test_spelling_does_not_lead_where_the_address_may_not(url: str) -> None:
    network = Network()
    assert network.ask(url) in ("refused", "invalid_url", "dns")
    assert network.dialled == []


def test_there_are_enough_of_them() -> None:
    assert len(NOT_PUBLIC) + len(SPELLINGS) >= 100
    assert len(PUBLIC) >= 8


@pytest.mark.parametrize("found", [["1.1.1.1", "127.0.0.1"], ["::1", "1.1.1.1"], ["1.1.1.1"] * 9 + ["10.0.0.1"]])
def test_one_bad_address_refuses_the_name(found: list[str]) -> None:
    network = Network(found)
    assert network.ask() == "refused"
    assert network.dialled == []


def test_name_that_changes_its_address_is_looked_up_once_for_each_connection() -> None:
    network = Network(["1.1.1.1"], ["127.0.0.1"])
    client = network.client()
    network.ask(client=client)
    assert (len(network.looked_up), network.dialled) == (1, [("1.1.1.1", 443)])
    network.ask(client=client)
    assert (len(network.looked_up), network.dialled) == (2, [("1.1.1.1", 443)])


def test_name_is_looked_up_in_the_form_that_the_net_knows() -> None:
    network = Network(["1.1.1.1"])
    network.ask("https://Bücher.example/")
    assert network.looked_up == ["xn--bcher-kva.example"]


def test_every_address_is_tried_in_turn_but_not_too_many() -> None:
    network = Network([f"1.1.1.{number}" for number in range(10)])
    network.ask()
    assert [target[0] for target in network.dialled] == ["1.1.1.0", "1.1.1.1", "1.1.1.2", "1.1.1.3"]


def test_refusal_is_logged_without_what_the_url_says_beyond_its_host(caplog: pytest.LogCaptureFixture) -> None:
    Network(["10.0.0.1"]).ask()
    record = next(each for each in caplog.records if each.message == "outbound_address_refused")
    assert (record.levelname, record.host, record.port) == ("WARNING", "provider.example", 443)  # type: ignore[attr-defined]
    assert "abc" not in str(vars(record))


def test_opened_network_is_reached_by_plain_http_and_at_any_port(settings: Any) -> None:
    with RawServer(ok(b"{}")) as server:
        assert Network().ask(server.url) == "refused"
        settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
        assert Client().request("GET", server.url, deadline=Deadline.after(10)).status == 200
        mapped = server.url.replace("127.0.0.1", "[::ffff:127.0.0.1]")
        assert Client().request("GET", mapped, deadline=Deadline.after(10)).status == 200


def test_opening_one_network_opens_no_other(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    for address in ("10.0.0.1", "::1", "64:ff9b::127.0.0.1", "2002:7f00:1::1"):
        network = Network([address])
        network.ask("http://provider.example:8080/")
        assert network.dialled == []


def test_client_of_the_deployment_dials_what_the_settings_name() -> None:
    with RawServer(ok(b"{}")) as server:
        assert Client(is_guarded=False).request("GET", server.url, deadline=Deadline.after(10)).status == 200
