"""Who sends webhooks, and how each is verified, taken apart and told whose it is."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from credentials import binding
from integrationhub.webhooks import meta, signatures
from integrationhub.webhooks.meta import Item
from integrationhub.webhooks.models import NOBODY
from integrationhub.webhooks.signatures import Verdict
from whatsapp import accounts, sharing


@dataclass(frozen=True, slots=True)
class Door:
    """An address that a provider posts to, and the secrets that its signatures may be made with, the newest first."""

    tenant_id: UUID
    provider_key: str
    secrets: tuple[str, ...]
    verify_token: str


@dataclass(frozen=True, slots=True)
class Source:
    """`door` is that of one tenant's own app. For what came by the address that all share, `sharer` says whose this
    one item is, and where it cannot, `owners` whose a number and a business account are."""

    signature_header: str
    judge: Callable[[bytes, str, Sequence[str]], Verdict]
    taken_apart: Callable[[bytes], list[Item]]
    sharer: Callable[[Item], UUID | None]
    owners: Callable[[str, str], Collection[UUID]]
    door: Callable[[UUID], Door]


def shared_door() -> Door:
    """The address of the deployment's own Meta app, which tells of the numbers of all tenants."""
    secrets = tuple(settings.META_WEBHOOK_APP_SECRETS)
    return Door(NOBODY, accounts.KEY, secrets, settings.META_WEBHOOK_VERIFY_TOKEN)


def _meta_door(tenant_id: UUID) -> Door:
    """By the tenant's own credential alone: the deployment's secret signs what may be any tenant's."""
    credential = binding.in_use(tenant_id=tenant_id).get(accounts.KEY)
    if credential is None:
        return Door(tenant_id, accounts.KEY, (), "")
    account = accounts.account_from(binding.opened(credential))
    return Door(tenant_id, accounts.KEY, account.app_secrets, account.verify_token)


def _meta_sharer(item: Item) -> UUID | None:
    if not accounts.is_deployments(item.phone_number_id):
        return None
    return sharing.tenant_of(meta.said_of(item.payload)[1])


def _meta_owners(phone_number_id: str, waba_id: str) -> Collection[UUID]:
    """By the number, and by the business account only where no number is named."""
    if phone_number_id:
        found = accounts.tenant_of_phone_number(phone_number_id)
        return [found] if found else []
    return accounts.tenants_of_waba(waba_id) if waba_id else []


SOURCES: Mapping[str, Source] = {
    accounts.KEY: Source(
        "X-Hub-Signature-256", signatures.judge, meta.taken_apart, _meta_sharer, _meta_owners, _meta_door
    )
}
