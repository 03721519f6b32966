"""The carriers of the tests notice what their originals would refuse; otherwise nothing that uses them could fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer, Client
from tests.providers import carriers
from tests.providers.carriers import FORM, CarrierServer, Told, TwilioServer, VonageServer

TWILIO = {"From": "+15005550006", "To": "+14155552671", "Body": "hi"}
TWILIO_PATH = f"/2010-04-01/Accounts/{TwilioServer.account_sid}/Messages.json"
TWILIO_LOGIN = (TwilioServer.account_sid, TwilioServer.auth_token)
VONAGE = {**VonageServer.credentials, "from": "Acme", "to": "14155552671", "text": "hi"}


def post(carrier: CarrierServer, path: str, form: dict[str, str], **more: Any) -> Answer:
    request = {"data": urlencode(form).encode(), "headers": {"Content-Type": FORM}, **more}
    return Client().request("POST", carrier.base_url + path, deadline=Deadline.after(5), **request)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"To": "14155552671"}, "To is not E.164"),
        ({"Body": "x" * 1601}, "Body is not of 1 to 1600 characters"),
        ({"MessagingServiceSid": "MG" + "a" * 32}, "not exactly one of From, MessagingServiceSid"),
        ({"ValidityPeriod": "36001"}, "ValidityPeriod"),
        ({"ValidityPeriod": "soon"}, "soon"),
        ({"Text": "hi"}, "unknown members: ['Text']"),
    ],
)
def test_twilio_refuses_and_notes_what_it_does_not_document(change: dict[str, str], fault: str) -> None:
    with TwilioServer() as server:
        assert post(server, TWILIO_PATH, {**TWILIO, **change}, auth=TWILIO_LOGIN).status == 400
        assert fault in server.faults[0]
        assert server.accepted.total() == 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"to": "+14155552671"}, "plus sign"),
        ({"from": "+447700900001"}, "plus sign"),
        ({"text": "Ж"}, "Unicode is not announced"),
        ({"ttl": "19999"}, "ttl"),
        ({"client-ref": "x" * 101}, "client-ref"),
        ({"Text": "hi"}, "unknown members: ['Text']"),
    ],
)
def test_vonage_refuses_and_notes_what_it_does_not_document(change: dict[str, str], fault: str) -> None:
    with VonageServer() as server:
        assert post(server, "/sms/json", {**VONAGE, **change}).status == 400
        assert fault in server.faults[0]
        assert server.accepted.total() == 0


def test_a_request_without_login_or_in_another_form_is_a_fault() -> None:
    with TwilioServer() as server:
        assert post(server, TWILIO_PATH, TWILIO).status == 400
        assert (
            post(server, TWILIO_PATH, TWILIO, auth=TWILIO_LOGIN, headers={"Content-Type": "text/plain"}).status == 400
        )
        assert post(server, "/elsewhere", TWILIO, auth=TWILIO_LOGIN).status == 400
        assert len(server.faults) == 3


def test_every_acceptance_is_counted_by_its_text_also_when_it_is_not_told() -> None:
    with VonageServer() as server:
        assert post(server, "/sms/json", VONAGE).status == 200
        server.answer = lambda asked: Told(500, text=asked.form["text"])
        assert post(server, "/sms/json", VONAGE).status == 500
        server.answer = lambda _: Told(503)
        assert post(server, "/sms/json", VONAGE).status == 503
        assert (server.accepted, server.hits) == ({"hi": 2}, 3)


@pytest.mark.slow
def test_they_also_live_in_a_process_of_their_own() -> None:
    command = [sys.executable, str(Path(carriers.__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        addresses = json.loads(process.stdout.readline())
        answer = Client().request(
            "POST", f"{addresses['vonage_sms']}/sms/json", deadline=Deadline.after(5), data=VONAGE
        )
        assert answer.status == 200
        process.stdin.close()
        assert json.loads(process.stdout.readline())["vonage_sms"] == {"accepted": {"hi": 1}, "faults": []}
