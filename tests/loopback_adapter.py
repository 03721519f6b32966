"""A provider that is no sandbox, for tests: real HTTP to a server of the test's own."""

from typing import Any

from integrationhub.core.outbound import NotSent, OutboundError
from providers.adapter import Adapter, Call, Receipt
from providers.errors import Ambiguous, Next, Retry, Stop


class LoopbackSms(Adapter):
    key = "loopback_sms"
    display_name = "Loopback"
    intents = frozenset({"message.send.sms"})
    config_schema = {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}

    def execute(self, call: Call) -> Receipt:
        body: dict[str, Any] = {"to": call.payload["to"], "text": call.payload["text"], "secrets": dict(call.secrets)}
        try:
            answer = self.http.request("POST", call.config["url"], deadline=call.deadline, json=body)
        except NotSent as error:
            raise Next("The server cannot be reached.", reason=error.reason) from error
        except OutboundError as error:
            raise Ambiguous("The server did not answer in time.", reason=error.reason) from error
        if answer.status == 503:
            raise Retry("The server is busy.", reason="upstream_503", upstream_status=503)
        if answer.status == 401:
            raise Next("The server refuses this key.", reason="upstream_401", upstream_status=401)
        if answer.status == 400:
            raise Stop("The server refuses this text.", reason="upstream_400", upstream_status=400)
        if answer.status == 500:
            raise Ambiguous("The server broke in the middle.", reason="upstream_500", upstream_status=500)
        return Receipt(reference=answer.json()["id"])


class LoopbackKeyedSms(LoopbackSms):
    key = "loopback_keyed_sms"
    credential_schema = {
        "type": "object",
        "properties": {"api_key": {"type": "string", "minLength": 8, "x-secret": True}},
        "required": ["api_key"],
        "additionalProperties": False,
    }
