"""Who sends webhooks, and how each is verified, taken apart and told whose it is."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from credentials import binding
from integrationhub.webhooks import carriers, meta, signatures
from integrationhub.webhooks.meta import Item
from integrationhub.webhooks.models import NOBODY
from integrationhub.webhooks.signatures import Verdict
from providers import registry
from providers.callbacks import Webhook
from templates.events import FIELDS
from templates.finding import holders_of
from whatsapp import accounts, sharing


@dataclass(frozen=True, slots=True)
class Door:
    """An address that a provider posts to, and the secrets that its signatures may be made with, the newest first: of
    Meta the secrets of the app, of another provider each version of what the tenant has bound."""

    tenant_id: UUID
    provider_key: str
    secrets: tuple[Any, ...] = field(repr=False)
    verify_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """`door` is that of one tenant's own app. For what came by the address that all share, `sharers` says whose each
    item is, and where it cannot, `owners` whose it is by its type, its number and its business account. `handshake`
    is what to answer to a verified request that tells nothing and only asks."""

    judge: Callable[[Webhook, Door], Verdict]
    taken_apart: Callable[[Webhook], list[Item]]
    door: Callable[[UUID], Door]
    handshake: Callable[[Webhook, Door, Verdict], str | None] = lambda hook, door, verdict: None
    sharers: Callable[[Sequence[Item]], Sequence[UUID | None]] = lambda items: [None] * len(items)
    owners: Callable[[str, str, str], Collection[UUID]] = lambda kind, number, account: ()
    # Whether a GET tells something, and is not a question that the hub answers by a verify token.
    tells_by_get: bool = False
    shown_headers: frozenset[str] = frozenset()


def shared_door() -> Door:
    """The address of the deployment's own Meta app, which tells of the numbers of all tenants."""
    secrets = tuple(settings.META_WEBHOOK_APP_SECRETS)
    return Door(NOBODY, accounts.KEY, secrets, settings.META_WEBHOOK_VERIFY_TOKEN)


def find(provider_key: str) -> Source | None:
    """None for a provider that tells nothing."""
    if provider_key == accounts.KEY:
        return META
    adapter = registry.find(provider_key)
    return _source_of(provider_key) if adapter and adapter.takes_webhooks() else None


def get(provider_key: str) -> Source:
    """Of a provider that is known to be one. Raises KeyError: its adapter is gone meanwhile."""
    if (source := find(provider_key)) is None:
        raise KeyError(provider_key)
    return source


def keys() -> list[str]:
    return sorted({accounts.KEY, *(adapter.key for adapter in registry.all() if adapter.takes_webhooks())})


def _source_of(provider_key: str) -> Source:
    adapter = registry.instance(provider_key)
    return Source(
        judge=lambda hook, door: carriers.judge(adapter, hook, door.secrets),
        taken_apart=lambda hook: carriers.taken_apart(adapter, hook),
        door=lambda tenant_id: Door(tenant_id, provider_key, carriers.secrets_of(tenant_id, provider_key)),
        handshake=lambda hook, door, verdict: carriers.handshake(adapter, hook, door.secrets, verdict),
        tells_by_get=True,
        shown_headers=adapter.webhook_headers,
    )


def _meta_judge(hook: Webhook, door: Door) -> Verdict:
    return signatures.judge(hook.body, hook.headers.get("x-hub-signature-256", ""), door.secrets)


def _meta_door(tenant_id: UUID) -> Door:
    """By the tenant's own credential alone: the deployment's secret signs what may be any tenant's."""
    bound = binding.current_and_previous(tenant_id=tenant_id, provider_key=accounts.KEY)
    versions = [accounts.account_from(each) for each in bound]
    secrets = dict.fromkeys(secret for account in versions for secret in account.app_secrets)
    return Door(tenant_id, accounts.KEY, tuple(secrets), versions[0].verify_token if versions else "")


def _meta_sharers(items: Sequence[Item]) -> list[UUID | None]:
    shared = [place for place, item in enumerate(items) if accounts.is_deployments(item.phone_number_id)]
    tenants = sharing.tenants_of([meta.said_of(items[place].payload)[1] for place in shared]) if shared else []
    found = dict(zip(shared, tenants, strict=True))
    return [found.get(place) for place in range(len(items))]


def _meta_owners(kind: str, phone_number_id: str, waba_id: str) -> Collection[UUID]:
    """By the number, and by the business account only where no number is named. Templates of the deployment's account
    are those of all who have synced with it too."""
    if phone_number_id:
        found = accounts.tenant_of_phone_number(phone_number_id)
        return [found] if found else []
    if not waba_id:
        return []
    shared_by = holders_of(waba_id) if kind in FIELDS and waba_id == settings.META_WABA_ID else set()
    return sorted({*accounts.tenants_of_waba(waba_id), *shared_by})


META = Source(
    judge=_meta_judge,
    taken_apart=lambda hook: meta.taken_apart(hook.body),
    door=_meta_door,
    sharers=_meta_sharers,
    owners=_meta_owners,
)
