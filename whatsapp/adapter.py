"""WhatsApp Business through Meta's Cloud API: how the registry reaches this app.

https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform
"""

from typing import Any
from uuid import UUID

from providers import meta_graph
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.callbacks import Kind
from providers.errors import Stop
from providers.meta_graph import Account, MetaGraph
from whatsapp import accounts, sending
from whatsapp.errors import WhatsappNotConfigured


def _id(description: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": "^[0-9]{5,32}$", "description": description, "examples": [example]}


def _secret(pattern: str, description: str, example: str) -> dict[str, Any]:
    said = {"type": "string", "pattern": pattern, "x-secret": True, "description": description}
    return said | {"examples": [example]}


class MetaWhatsApp(Adapter):
    key = "meta_whatsapp"
    display_name = "WhatsApp Business"
    summary = "WhatsApp messages through Meta's Cloud API."
    docs_url = "https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform"
    base_url = meta_graph.BASE_URL
    intents = frozenset({"message.send.whatsapp"})
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    has_own_inbox = True
    credential_schema = {
        "type": "object",
        "properties": {
            "access_token": _secret(
                r"^[\x21-\x7e]{20,1000}$",
                "a system user's token with whatsapp_business_messaging and whatsapp_business_management",
                "EAAGm0PX4ZCpsBA-an-example-of-an-access-token",
            ),
            "phone_number_id": _id("the id of the business phone number (not the number)", "106540352242922"),
            "waba_id": _id("the WhatsApp Business Account that the number belongs to", "102290129340398"),
            "app_secret": _secret(
                "^[0-9a-f]{32}$",
                "the secret of the Meta app, which signs its webhooks",
                "1f0e2d3c4b5a69788796a5b4c3d2e1f0",
            ),
            "previous_app_secret": _secret(
                "^[0-9a-f]{32}$", "during a rotation, the app's secret before", "0f1e2d3c4b5a69788796a5b4c3d2e1f1"
            ),
            "verify_token": _secret(
                r"^[\x21-\x7e]{8,200}$", "what Meta has to repeat when the webhook is set up", "an-example-to-verify-by"
            ),
        },
        "required": ["access_token", "phone_number_id", "waba_id"],
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        """The window, the template and Meta's limits, before anything is stored or counted."""
        sending.refuse_early(call)

    def check(self, call: Call) -> bool:
        """That the token may see the business account, and the number is one of its own.

        Who could bind a number that the token does not reach would be handed another's messages.
        """
        graph = self._graph(call, accounts.account_from(call.secrets))
        wanted = call.secrets["phone_number_id"]
        if all(number.get("id") != wanted for number in graph.phone_numbers(call.deadline)):
            words = "Meta accepted the token, but the business account waba_id has no number with this phone_number_id."
            raise Stop(words, reason="number_not_in_account")
        return True

    def execute(self, call: Call) -> Receipt:
        """By the tenant's own account, else by the deployment's."""
        account = accounts.account_from(call.secrets) if call.secrets else accounts.deployments()
        if account is None:
            raise WhatsappNotConfigured(reason="no_account")
        return sending.send_for(call, self._graph(call, account))

    def keep(self, *, tenant_id: UUID, credential_id: UUID, secrets: JSONObject) -> None:
        """So that the inbox finds whose number it is without opening a secret."""
        named = {name: secrets[name] for name in ("phone_number_id", "waba_id")}
        accounts.keep(tenant_id=tenant_id, credential_id=credential_id, **named)

    def proven(self, *, tenant_id: UUID, credential_id: UUID) -> None:
        accounts.proven(tenant_id=tenant_id, credential_id=credential_id)

    def serves_without_credential(self) -> bool:
        return accounts.deployments() is not None

    def _graph(self, call: Call, account: Account) -> MetaGraph:
        return accounts.graph_for(account, http=self.http, base_url=call.base_url)
