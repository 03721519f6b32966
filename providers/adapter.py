"""The contract between the hub and a provider: one class, one call, one receipt or one of four errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar
from uuid import UUID

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import AddressBlocked, Answer, AnswerLost, Client, NotSent
from providers import answers
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import Ambiguous, Blocked, InvalidSignature, Next, ProviderError

JSONObject = Mapping[str, Any]
# Of content in the answer to one request, where it stands in base64.
LARGEST_TOLD = 16 * 1024 * 1024
# In the `config_schema` of an adapter that acts by a connection.
CONNECTION_ID: JSONObject = {
    "type": "string",
    "format": "uuid",
    "description": "the connected account that acts where options.connection_id names none",
    "examples": ["01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11"],
}
# In `allowed_hosts`: one that the tenant names, in its credential, its configuration or a payload.
NAMED_BY_TENANT = "*"


@dataclass(frozen=True, slots=True)
class Call:
    """What an adapter is given: one intent for one tenant, with the tenant's own configuration and secrets.

    `base_url` is empty unless an operator has set another address than the adapter's own. A credential is checked by a
    call without intent, payload and configuration. `file` stands beside the payload where JSON would be too small: what
    is to be stored is read from it, and what is read is written to it. Without one, `largest` bytes of it may be told.
    """

    tenant_id: UUID
    intent: str
    payload: JSONObject
    deadline: Deadline
    config: JSONObject = field(default_factory=dict)
    base_url: str = ""
    secrets: JSONObject = field(default_factory=dict, repr=False)
    attempt_id: UUID | None = None
    file: IO[bytes] | None = field(default=None, repr=False)
    largest: int = LARGEST_TOLD


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider accepted. `reference` is its own id for what it did; `result` is what the intent returns, of which
    `unkept` is told in the answer alone: what was read is no record of ours, and may be long."""

    reference: str
    result: JSONObject = field(default_factory=dict)
    unkept: JSONObject = field(default_factory=dict, repr=False)


class Adapter:
    """Translates intents into one provider's API.

    A subclass sets `key` and `intents` and writes `execute`; the rest has defaults. Schemas are JSON Schema objects; a
    property with `"x-secret": true` is write-only wherever it is shown. `credential_schema = None` says that the
    provider needs no credential. `connection_provider` is the OAuth provider of whose connections it takes one in the
    place of a credential: `call.secrets` then holds its `access_token`, granted at least one of `connection_scopes`;
    which connection it is, the order or the installation's `connection_id` says. `base_url` is where `ask` sends to,
    unless an operator has given another address. `status_classes` holds the HTTP statuses that this provider documents
    with another class than the usual one (`answers.class_of`), such as a 404 for an unknown account; the credential is
    not at fault then. `looks_first` tells the contract's tests of which intents the first request only looks: where
    that one is lost nothing was done, and the adapter raises `Next`.
    `allowed_hosts` are those beside the host of `base_url` that it dials of itself (`hosts.may_dial`).
    `has_own_address` says that each tenant's credential names its own service as `endpoint`: what befalls one of them
    says nothing of the others. One that serves no intent (`frozenset()`) says only what a tenant binds for a provider
    whose accounts are connected, and needs no `execute`.

    One whose provider tells what became of a message writes `verify_webhook` and `parse_webhook`, or `status` where it
    has to be asked, and says in `tells` which of `Kind.SENT` and `Kind.DELIVERED` it hears of for certain. One that
    `has_own_inbox` is no reader of its webhooks: the hub itself takes them apart.
    `webhook_headers` are the headers (lower case) that `parse_webhook` reads; no secret may be in them.
    """

    key: ClassVar[str]
    display_name: ClassVar[str]
    summary: ClassVar[str] = ""
    intents: ClassVar[frozenset[str]]
    config_schema: ClassVar[JSONObject] = {"type": "object", "properties": {}, "additionalProperties": False}
    credential_schema: ClassVar[JSONObject | None] = None
    connection_provider: ClassVar[str] = ""
    connection_scopes: ClassVar[frozenset[str]] = frozenset()
    docs_url: ClassVar[str] = ""
    base_url: ClassVar[str] = ""
    allowed_hosts: ClassVar[frozenset[str]] = frozenset()
    has_own_address: ClassVar[bool] = False
    status_classes: ClassVar[Mapping[int, type[ProviderError]]] = {}
    looks_first: ClassVar[frozenset[str]] = frozenset()
    is_sandbox: ClassVar[bool] = False
    tells: ClassVar[frozenset[Kind]] = frozenset()
    has_own_inbox: ClassVar[bool] = False
    webhook_headers: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, http: Client) -> None:
        self.http = http

    def preflight(self, call: Call) -> None:
        """Refuse, by raising `Stop` or `InvalidRequest`, what can be refused before anything is stored or sent."""

    def check(self, call: Call) -> bool:
        """Make one authenticated call that changes nothing. Raises a `ProviderError` when it does not pass.

        True says that the provider accepted these secrets; False, the default, that it offers no such call.
        """
        return False

    def execute(self, call: Call) -> Receipt:
        """Act once. Raises exactly one of `Retry`, `Next`, `Ambiguous`, `Stop` when it does not work."""
        raise TypeError(f"The adapter {type(self).__name__} defines no execute().")

    def keep(self, *, tenant_id: UUID, credential_id: UUID, secrets: JSONObject) -> None:
        """Write down what a new version of a tenant's credential says that is no secret, and by which the tenant is to
        be found; inside the transaction that adds the version, whether or not it comes into use."""

    def proven(self, *, tenant_id: UUID, credential_id: UUID) -> None:
        """Write down that the provider has accepted this version, for what stays true when it refuses it later; inside
        the transaction that notes so. May be told more than once."""

    def serves_without_credential(self) -> bool:
        """Whether the deployment's own settings serve tenants that have bound none; `call.secrets` is empty then."""
        return False

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """Raise InvalidSignature (`self.unverified`) unless the provider has signed this by one version of a tenant's
        secrets; tried for the version in use, then for the one before it. Compared in constant time, and where a time
        is signed it is a recent one (`callbacks.is_same`, `is_recent`). It may raise what `ask` does."""
        raise TypeError(f"The adapter {type(self).__name__} defines no verify_webhook().")

    def answer_handshake(self, hook: Webhook, secrets: JSONObject) -> str | None:
        """For a verified request that asks whether the address is ours: what to answer with, or "" after the hub has
        done what was asked (by `self.http`, within `hook.deadline`). None, the default: it is an ordinary webhook."""
        return None

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        """What a verified webhook tells, read by a worker after it was answered; nothing of what it has no word for.

        ValueError, LookupError, TypeError and AttributeError say that its shape is not the provider's.
        """
        raise TypeError(f"The adapter {type(self).__name__} defines no parse_webhook().")

    def status(self, call: Call, reference: str) -> InboundEvent | None:
        """Ask what became of a message; None: the provider does not know it. `call` has no payload. Raises as
        `execute` does."""
        raise TypeError(f"The adapter {type(self).__name__} defines no status().")

    @classmethod
    def takes_webhooks(cls) -> bool:
        return cls.verify_webhook is not Adapter.verify_webhook

    @classmethod
    def can_be_asked(cls) -> bool:
        """For the status of a message."""
        return cls.status is not Adapter.status

    @classmethod
    def is_heard_of(cls) -> bool:
        """Whether anything is heard of a message after its acceptance."""
        return cls.takes_webhooks() or cls.can_be_asked() or cls.has_own_inbox

    @classmethod
    def is_told_where(cls, config: JSONObject) -> bool:
        """Whether the provider tells by itself what becomes of a message: each call of an installation with this
        `config` names its `callback_url`, or no call can name one and the provider's own console has the address."""
        tells = cls.takes_webhooks() or cls.has_own_inbox
        return tells and ("callback_url" not in cls.config_schema["properties"] or "callback_url" in config)

    def unverified(self, words: str, *, reason: str) -> InvalidSignature:
        """The error of a webhook that this provider has not signed. `words` hold nothing of what was expected."""
        return InvalidSignature(f"{self.key}: {words}", provider=self.key, reason=reason)

    def address(self, call: Call) -> str:
        """Where `ask` sends to: the operator's address for this provider, else the tenant's, else the adapter's own."""
        return call.base_url or (call.secrets["endpoint"] if self.has_own_address else self.base_url)

    def ask(self, call: Call, method: str, path: str, **request: Any) -> Answer:
        """One exchange with the provider; `request` is what `Client.request` takes beside method, URL and deadline.

        Raises Next where nothing was sent, and Ambiguous where the answer was lost. What the client itself says is not
        passed on: it may name the URL, and some providers want a secret in theirs.
        """
        url = self.address(call).rstrip("/") + path
        try:
            return self.http.request(method, url, deadline=call.deadline, **request)
        except NotSent as error:
            words = f"{self.display_name} cannot be reached ({error.reason}); nothing was sent."
            raise (Blocked if isinstance(error, AddressBlocked) else Next)(words, reason=error.reason) from None
        except AnswerLost as error:
            words = f"{self.display_name} was asked, and its answer was lost ({error.reason})."
            raise Ambiguous(words, reason=error.reason) from None

    def failure(self, call: Call, answer: Answer, said: Any = "", **known: Any) -> ProviderError:
        """The error to raise for an answer: by its HTTP status, but for what the adapter has `known` better.

        `said` is the provider's own text; it is quoted without this call's secrets. `known` may hold `kind` (one of the
        four classes), `reason`, `retry_after`, `entry` and `credential_refused`.
        """
        if meant := self.status_classes.get(answer.status):
            known = {"kind": meant, "credential_refused": False, **known}
        return answers.failure_of(answer, self.display_name, answers.quoted(said, call.secrets), **known)
