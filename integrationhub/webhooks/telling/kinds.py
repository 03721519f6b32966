"""DATA: the events that a subscription can ask for, and what each of them tells. docs/events.md is made of this."""

from collections.abc import Mapping
from dataclasses import dataclass

TEST = "webhook_subscription.test"


@dataclass(frozen=True, slots=True)
class Kind:
    """`data` says of each member what it is; a name that ends with a question mark is sometimes left out."""

    says: str
    data: Mapping[str, str]


_EXECUTION = {
    "execution_id": "as `GET /executions/{id}` has it",
    "status": "`succeeded`, `failed`, `unknown` or `cancelled`",
    "mode": "`live` or `sandbox`",
    "category": "of the intent",
    "intent": "as in `message.send.sms`",
    "provider_key": "who delivered; empty if nobody did",
    "fallback_used": "whether that is not the first that was tried",
    "reference": "the provider's own id",
    "error_code": "of the error reference; empty for a success",
    "request_id": "of the request that asked for it",
    "duration_ms": "in milliseconds; null if it never ran",
    "created_at": "when it was asked for",
}
_MESSAGE = {
    "provider_key": "who carries it",
    "reference": "the provider's own id of it",
    "execution_id": "of the execution that sent it; null if none did",
    "status": "the furthest it has come: it never goes back",
    "at": "by the provider's clock",
    "reason": "a word for a failure, of WhatsApp a code of the error reference; or null",
    "code": "the provider's own, or null",
    "webhook_id?": "what told it, as `GET /webhooks/{id}` has it",
    "message_id?": "of WhatsApp: as `GET /whatsapp/deliveries/{id}` has it",
    "recipient?": "of WhatsApp: whom it is for",
}
_CREDENTIAL = {"credential_id": "as `GET /credentials/{id}` has it", "provider_key": "whose it is"}
_CONNECTION = {
    "connection_id": "as `GET /connections/{id}` has it",
    "provider": "as in `google`",
    "account": "as the provider calls it",
}
_MOVED = {
    "name": "of the template",
    "language": "as in `en_US`",
    "before": "what it was",
    "after": "what it is",
}
_CIRCUIT = {"provider_key": "whose circuit it is"}


def _message(says: str) -> Kind:
    return Kind(says, _MESSAGE)


KINDS: Mapping[str, Kind] = {
    "execution.succeeded": Kind("An execution was done.", _EXECUTION),
    "execution.fell_back": Kind(
        "It was done by another provider than the first that was tried. Told beside `execution.succeeded`.", _EXECUTION
    ),
    "execution.failed": Kind("No provider did it.", _EXECUTION),
    "execution.unknown": Kind("Nobody can say whether a provider did it: look before you send again.", _EXECUTION),
    "execution.cancelled": Kind("It was called off: before it ran, or while it waited for its message.", _EXECUTION),
    "message.accepted": _message("The provider has taken a message."),
    "message.deferred": _message("The provider could not deliver it yet, and goes on trying."),
    "message.sent": _message("The provider has sent it on."),
    "message.delivered": _message("It has reached the recipient's device or mailbox."),
    "message.read": _message("The recipient has seen it."),
    "message.played": _message("The recipient has listened to it."),
    "message.opened": _message("The recipient has opened it."),
    "message.clicked": _message("The recipient has followed a link in it."),
    "message.unsubscribed": _message("The recipient wants no more of them."),
    "message.complained": _message("The recipient has called it spam."),
    "message.bounced": _message("The other side refused it for good."),
    "message.failed": _message("It was not delivered, and will not be."),
    "message.received": Kind(
        "A customer has written.",
        {
            "provider_key": "by whom it came",
            "reference": "the provider's own id of it",
            "at": "by the provider's clock",
            "webhook_id?": "what told it, as `GET /webhooks/{id}` has it",
            "reason?": "null",
            "code?": "null",
            "sender?": "of WhatsApp: the customer, as Meta calls them",
            "phone_number_id?": "of WhatsApp: Meta's id of the number that was written to",
            "type?": "of WhatsApp: as in `text`, `image`",
            "message?": "of WhatsApp: the message as Meta has it; null if that is over 16 KiB",
        },
    ),
    "credential.failing": Kind(
        "A provider refused a credential in a call.", {**_CREDENTIAL, "reason": "why, in one word"}
    ),
    "credential.recovered": Kind("It accepts the credential again.", _CREDENTIAL),
    "credential.rolled_back": Kind(
        "The version before the one in use was brought back.",
        {
            **_CREDENTIAL,
            "version": "that was in use",
            "version_in_use": "that is in use now",
            "automatic": "whether the hub did so by itself",
            "reason?": "why, if it did",
        },
    ),
    "credential.expiring": Kind(
        "It ends in 14, 7 or 1 days.",
        {**_CREDENTIAL, "version": "of it", "expires_at": "its end", "days_left": "until then"},
    ),
    "credential.expired": Kind("It has ended.", {**_CREDENTIAL, "version": "of it", "expires_at": "its end"}),
    "connection.connected": Kind("An account was connected.", _CONNECTION),
    "connection.reconnected": Kind("A connection was made anew, under its id.", _CONNECTION),
    "connection.recovered": Kind("Its tokens can be refreshed again.", _CONNECTION),
    "connection.broken": Kind(
        "It cannot be used any more, or cannot be refreshed for now.", {**_CONNECTION, "reason": "why, in one word"}
    ),
    "connection.expiring": Kind(
        "Its grant ends soon, and nothing but its owner can renew it.",
        {**_CONNECTION, "expires_at": "its end", "days_left": "until then"},
    ),
    "template.status_changed": Kind("Meta has approved, refused or paused a template.", _MOVED),
    "template.quality_changed": Kind("Meta has judged its quality anew.", _MOVED),
    "template.category_changed": Kind("Meta has put it into another category.", _MOVED),
    "template.synced": Kind(
        "A sync found changes.",
        {"run_id": "of the sync", "added": "how many", "changed": "how many", "removed": "how many"},
    ),
    "template.sync_failed": Kind(
        "A sync failed after one that did not.", {"run_id": "of the sync", "code": "of the error reference"}
    ),
    "provider.circuit_opened": Kind("A provider that failed again and again is left alone for a while.", _CIRCUIT),
    "provider.circuit_closed": Kind("It is called again.", _CIRCUIT),
    "usage.threshold": Kind(
        "So much of the month's quota is used up. Told once a month at each, and anew where the quota changes.",
        {
            "percent": "80 or 100",
            "used": "executions of this month",
            "quota": "of the tier",
            "tier": "as in `free`",
            "period": "the month's first day",
            "resets_at": "when the next month begins",
        },
    ),
    "webhook_subscription.failing": Kind(
        "Nothing that a subscription was sent has been delivered for an hour. Told once, until something is.",
        {
            "subscription_id": "as `GET /webhook-subscriptions/{id}` has it",
            "failing_since": "the first of those failures",
            "will_be_disabled_at": "if it goes on failing until then",
        },
    ),
    "webhook_subscription.disabled": Kind(
        "A subscription is told nothing any more, until it is enabled again.",
        {
            "subscription_id": "as `GET /webhook-subscriptions/{id}` has it",
            "reason": "`failing`: nothing was delivered for five days on end. `gone`: its receiver answered 410",
            "failing_since": "the first of those failures; null if there was none before",
        },
    ),
    TEST: Kind("`POST /webhook-subscriptions/{id}/test` was called.", {"subscription_id": "which one"}),
}
