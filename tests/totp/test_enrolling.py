"""An authenticator app is given its secret once, in three forms that say the same."""

import base64
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID
from xml.etree import ElementTree

import pyotp
import pytest
import zxingcpp

from tests.audit.reading import trail_of
from tests.make import Api, keyed
from tests.totp.authenticator import ACCOUNT, App, refusal

SVG = "{http://www.w3.org/2000/svg}"


def enroll(api: Api, **body: Any) -> Any:
    return api.post("/totp/enroll", {"account": ACCOUNT, **body})


def decoded(svg: str) -> str:
    """What a reader of QR codes sees in the picture: its dark strokes drawn with three dots for each module."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    ground, strokes = root.iter(f"{SVG}path")
    assert (ground.get("fill"), strokes.get("stroke")) == ("#fff", "#000")
    width = int(re.fullmatch(r"M0 0h(\d+)v\1h-\1z", ground.get("d", ""))[1])  # type: ignore[index]
    dots = [bytearray(b"\xff" * 3 * width) for _ in range(3 * width)]
    x, y = 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]+)", strokes.get("d", "")):
        moved = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            for row in range(int(y) * 3, int(y) * 3 + 3):
                dots[row][int(x) * 3 : int(x + moved[0]) * 3] = bytes(int(moved[0]) * 3)
            x += moved[0]
        else:
            x, y = (moved[0], moved[1]) if command == "M" else (x + moved[0], y + moved[1])
    picture = memoryview(b"".join(dots)).cast("B", shape=[3 * width, 3 * width])
    [found] = zxingcpp.read_barcodes(picture)
    return str(found.text)


def test_the_secret_is_160_bits_in_base32_without_padding(api: Api) -> None:
    answer = enroll(api)
    assert answer.status_code == 201
    body = answer.json()
    assert list(body) == ["id", "account", "secret", "otpauth_uri", "qr_svg"]
    assert (UUID(body["id"]).version, body["account"]) == (7, ACCOUNT)
    assert re.fullmatch(r"[A-Z2-7]{32}", body["secret"])
    assert len(base64.b32decode(body["secret"])) == 20


def test_no_two_secrets_are_the_same(api: Api) -> None:
    assert len({enroll(api).json()["secret"] for _ in range(5)}) == 5


def test_the_address_says_the_same_to_an_authenticator_app(api: Api) -> None:
    body = enroll(api, issuer="Acme & Söhne").json()
    app = pyotp.parse_uri(body["otpauth_uri"])
    assert (app.secret, app.name, app.issuer) == (body["secret"], ACCOUNT, "Acme & Söhne")
    assert (app.digits, app.interval, app.digest().name) == (6, 30, "sha1")
    assert urlsplit(body["otpauth_uri"])[:3] == ("otpauth", "totp", f"/Acme%20%26%20S%C3%B6hne:{ACCOUNT}")


def test_without_an_issuer_it_is_the_hub(api: Api) -> None:
    uri = urlsplit(enroll(api).json()["otpauth_uri"])
    assert parse_qs(uri.query)["issuer"] == ["Integration Hub"]
    assert unquote(uri.path) == f"/Integration Hub:{ACCOUNT}"


@pytest.mark.parametrize(
    "body", [{}, {"account": "李雷 <li&lei>", "issuer": '"><script>'}, {"account": "😀" * 128, "issuer": "😀" * 40}]
)
def test_the_picture_is_read_by_a_scanner(api: Api, body: dict[str, str]) -> None:
    answer = enroll(api, **body).json()
    assert decoded(answer["qr_svg"]) == answer["otpauth_uri"]
    assert "script" not in answer["qr_svg"]


def test_an_account_may_have_several_apps(api: Api) -> None:
    one, other = App(api), App(api)
    assert [each.type(each.code()).status_code for each in (one, other)] == [200, 200]
    assert refusal(one.type(other.code(1))) == "wrong_code"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["account"]),
        ({"account": ""}, ["account"]),
        ({"account": 7, "issuer": None}, ["account", "issuer"]),
        ({"account": "a" * 129, "issuer": "i" * 41}, ["account", "issuer"]),
        ({"account": "a:b", "issuer": "i:j"}, ["account", "issuer"]),
        ({"account": " a"}, ["account"]),
        ({"account": "a\n"}, ["account"]),
        ({"account": "a\u001bb"}, ["account"]),
        ({"account": "ada", "secret": "AAAA"}, ["secret"]),
    ],
)
def test_every_fault_is_named_and_nobody_is_enrolled(api: Api, body: dict[str, Any], fields: list[str]) -> None:
    answer = api.post("/totp/enroll", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == fields
    assert trail_of(api.tenant) == []


def test_a_repeat_under_the_same_key_is_the_same_enrolment(api: Api) -> None:
    key = keyed()
    first, again = (api.post("/totp/enroll", {"account": ACCOUNT}, **key) for _ in range(2))
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert [entry.action for entry in trail_of(api.tenant)] == ["totp.enrolled"]


def test_a_removed_app_has_no_right_code_any_more(api: Api) -> None:
    app = App(api)
    removed = api.delete(f"/totp/{app.id}")
    assert (removed.status_code, removed.content) == (204, b"")
    answer = app.type(app.code())
    assert (answer.status_code, answer.json()["details"]["reason"]) == (404, "not_found")
    assert api.delete(f"/totp/{app.id}").status_code == 404


def test_the_trail_tells_who_got_an_app_confirmed_it_and_took_it_away(api: Api) -> None:
    app = App(api)
    app.type(app.code())
    app.type(app.code(1))
    api.delete(f"/totp/{app.id}")
    told = trail_of(api.tenant)
    assert [entry.action for entry in told] == ["totp.enrolled", "totp.confirmed", "totp.removed"]
    assert {(entry.actor, entry.about) for entry in told} == {("tester", f"totp:{app.id}")}
    assert [entry.details for entry in told] == [{"account": ACCOUNT}] * 3


@pytest.mark.parametrize(("method", "path"), [("POST", "/enroll"), ("POST", "/verify"), ("DELETE", "/x")])
def test_a_user_may_not_and_an_organizer_may(api: Api, method: str, path: str) -> None:
    assert api.as_role("user").request(method, f"/totp{path}", {}).json()["code"] == "ERR_RBAC_FORBIDDEN"
    assert api.as_role("organizer").request(method, f"/totp{path}", {}).status_code in (400, 404)
