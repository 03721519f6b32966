"""Two providers that exist in tests only: one that can be asked whether a credential is good, and one that cannot."""

from providers.adapter import Adapter, Call, Receipt
from providers.errors import Next

UNREACHABLE = "token-of-a-provider-that-is-away"
REFUSED = "token-that-the-provider-refuses"
BREAKING = "a-token-that-breaks-the-check"


class ParcelSms(Adapter):
    key = "parcel_sms"
    display_name = "Parcel SMS"
    intents = frozenset({"message.send.sms"})
    credential_schema = {
        "type": "object",
        "properties": {
            "account": {"type": "string", "maxLength": 40},
            "auth_token": {"type": "string", "minLength": 4, "maxLength": 100, "x-secret": True},
        },
        "required": ["account", "auth_token"],
        "additionalProperties": False,
    }

    def check(self, call: Call) -> bool:
        if call.secrets["auth_token"] == UNREACHABLE:
            raise Next("no connection", reason="connect_timeout")
        if call.secrets["auth_token"] == REFUSED:
            raise Next(f"{REFUSED} is wrong", reason="upstream_401", upstream_status=401)
        if call.secrets["auth_token"] == BREAKING:
            raise RuntimeError(f"{BREAKING} broke it")
        return True

    def execute(self, call: Call) -> Receipt:
        return Receipt(reference="parcel-1")


class QuietSms(Adapter):
    key = "quiet_sms"
    display_name = "Quiet SMS"
    intents = frozenset({"message.send.sms"})
    config_schema = {
        "type": "object",
        "properties": {"sender": {"type": "string", "maxLength": 11}, "retries": {"type": "integer", "minimum": 0}},
        "required": ["sender"],
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {"api_key": {"type": "string", "x-secret": True}},
        "required": ["api_key"],
        "additionalProperties": False,
    }

    def execute(self, call: Call) -> Receipt:
        return Receipt(reference="quiet-1")
