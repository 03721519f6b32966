"""A provider that asks whether an address is ours, and tells what it tells by GET."""

from providers import callbacks
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.callbacks import InboundEvent, Kind, Webhook


class AskingChat(Adapter):
    key = "asking_chat"
    display_name = "Asking Chat"
    intents = frozenset({"message.send.chat"})
    webhook_headers = frozenset({"x-asking-shard"})

    def execute(self, call: Call) -> Receipt:
        return Receipt("a-1")

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        if not callbacks.is_same(hook.headers.get("x-asking", ""), "its word"):
            raise self.unverified("it does not say its word.", reason="wrong_signature")

    def answer_handshake(self, hook: Webhook, secrets: JSONObject) -> str | None:
        return hook.query().get("challenge")

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        told = hook.query()
        shard = hook.headers["x-asking-shard"]
        return [InboundEvent(Kind.DELIVERED, told["id"], f"{shard} {told['id']}", payload={**told, "shard": shard})]
