"""Whose WhatsApp number a tenant sends by, and whose tenant a number belongs to."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from credentials import binding, refusals, verifying
from credentials.models import Credential
from integrationhub.core.deadline import Deadline
from integrationhub.core.exception_handler import DATABASE_AWAY
from integrationhub.core.ids import earliest_id, read_id
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import posting
from providers import finding
from providers.errors import ProviderError
from providers.meta_graph import Account, MetaGraph
from providers.models import Status
from whatsapp.errors import SwitchedOff, WhatsappNotConfigured
from whatsapp.models import BusinessNumber, Delivery

log = structlog.get_logger(__name__)

KEY = "meta_whatsapp"


def of(tenant_id: UUID, deadline: Deadline | None = None) -> Account:
    """The account that the tenant has bound, else the deployment's. Not inside a transaction: the vault may be another
    host, to be opened by the deadline.

    Raises WhatsappNotConfigured where there is neither; CredentialExpired; VaultUnreadable.
    """
    credential = binding.in_use(tenant_id=tenant_id).get(KEY)
    account = _own(credential, deadline) if credential else deployments()
    if account is None:
        raise WhatsappNotConfigured(reason="no_account")
    return account


def note(tenant_id: UUID, refusal: ProviderError | None) -> None:
    """What a call by `of`'s account came to: a credential that Meta refused is shown to its owner, and one that it
    accepts again is told to have recovered. What came of the call does not hang on it: it raises nothing."""
    if refusal and not refusal.credential_refused:
        return
    try:
        credential = binding.in_use(tenant_id=tenant_id).get(KEY)
        if credential and refusal:
            successes = partial(_taken_since, tenant_id)
            refusals.mark_failing(credential, reason=refusal.reason, successes=successes)
        elif credential:
            refusals.mark_working(credential)
    except (DatabaseError, *DATABASE_AWAY):
        log.exception("What Meta said of a credential could not be noted.", tenant_id=str(tenant_id))


def _taken_since(tenant_id: UUID, since: datetime, most: int) -> int:
    """How many messages Meta has taken from a tenant since then, as far as `most`."""
    with tenant_scope(tenant_id):
        taken = Delivery.objects.for_tenant(tenant_id).filter(id__gte=earliest_id(since)).exclude(meta_id="")
        return taken[:most].count()


def graph(tenant_id: UUID, deadline: Deadline | None = None) -> MetaGraph:
    """Meta as this tenant's account sees it. Raises what `of` does."""
    return graph_for(of(tenant_id, deadline), base_url=finding.get(KEY).base_url)


def graph_to_send_by(tenant_id: UUID, deadline: Deadline | None = None) -> MetaGraph:
    """The same for what goes out. Raises what `of` does, and SwitchedOff where operators have disabled the provider."""
    provider = finding.get(KEY)
    if provider.status != Status.ACTIVE:
        words = f"Operators have switched {provider.display_name} off ({provider.status}): nothing is sent by it."
        raise SwitchedOff(words, reason=f"provider_{provider.status}")
    return graph_for(of(tenant_id, deadline), base_url=provider.base_url)


def own_graph(tenant_id: UUID, deadline: Deadline | None = None, *, phone_number_id: str = "") -> MetaGraph:
    """Meta as the account sees it that the tenant itself has bound, and never as the one that tenants share; of another
    number of the tenant's where one is named. Raises what `of` does."""
    credential = binding.in_use(tenant_id=tenant_id).get(KEY)
    if credential is None:
        raise WhatsappNotConfigured(reason="no_account")
    account = _own(credential, deadline)
    asked = replace(account, phone_number_id=phone_number_id or account.phone_number_id)
    return graph_for(asked, base_url=finding.get(KEY).base_url)


def shared_graph() -> MetaGraph:
    """Meta as the deployment's account sees it. Raises WhatsappNotConfigured."""
    account = deployments()
    if account is None:
        raise WhatsappNotConfigured(reason="no_account")
    return graph_for(account, base_url=finding.get(KEY).base_url)


def graph_for(account: Account, **more: Any) -> MetaGraph:
    """With the deployment's settings; `base_url` may be an operator's, and empty where there is none."""
    return MetaGraph(
        account,
        **{**more, "base_url": more.get("base_url") or settings.META_GRAPH_BASE_URL},
        api_version=settings.META_GRAPH_API_VERSION,
        media_hosts=tuple(settings.META_MEDIA_HOSTS),
    )


def _own(credential: Credential, deadline: Deadline | None) -> Account:
    account = account_from(binding.opened(credential, deadline))
    return replace(account, was_refused=credential.failing_since is not None)


def account_from(secrets: Mapping[str, str]) -> Account:
    """A credential of `meta_whatsapp`, opened."""
    named = (secrets.get(name, "") for name in ("app_secret", "previous_app_secret"))
    return Account(
        phone_number_id=secrets["phone_number_id"],
        waba_id=secrets["waba_id"],
        access_token=secrets["access_token"],
        app_secrets=tuple(secret for secret in named if secret),
        verify_token=secrets.get("verify_token", ""),
    )


def deployments() -> Account | None:
    """The account of the settings, for tenants without one of their own."""
    account = Account(
        phone_number_id=settings.META_WHATSAPP_PHONE_NUMBER_ID,
        waba_id=settings.META_WABA_ID,
        access_token=settings.META_WHATSAPP_ACCESS_TOKEN,
        app_secrets=tuple(settings.META_WEBHOOK_APP_SECRETS),
        verify_token=settings.META_WEBHOOK_VERIFY_TOKEN,
    )
    return account if account.phone_number_id and account.waba_id and account.access_token else None


def has_own(tenant_id: UUID) -> bool:
    """Whether the tenant has bound an account; what Meta keeps for the deployment's is several tenants'."""
    return KEY in binding.in_use(tenant_id=tenant_id)


def is_deployments(phone_number_id: str) -> bool:
    """Whether it is the number of the settings, which tenants share."""
    return bool(phone_number_id) and phone_number_id == settings.META_WHATSAPP_PHONE_NUMBER_ID


def phone_number_id_of(tenant_id: UUID) -> str:
    """Which number a tenant sends by, told without opening a secret; empty where there is none."""
    with tenant_scope(tenant_id):
        mine = BusinessNumber.objects.for_tenant(tenant_id).filter(credential__status=Credential.Status.ACTIVE)
        own = mine.values_list("phone_number_id", flat=True).first()
    deployment = deployments()
    return own or (deployment.phone_number_id if deployment else "")


def keep(*, tenant_id: UUID, credential_id: UUID, phone_number_id: str, waba_id: str) -> None:
    """Whose number it is, found without opening a secret; inside the caller's `tenant_scope`. What the version in use
    has proven of the same number stays proven."""
    named = {"phone_number_id": phone_number_id, "waba_id": waba_id}
    mine = BusinessNumber.objects.for_tenant(tenant_id)
    before = mine.filter(**named, credential__status=Credential.Status.ACTIVE).first()
    proven_at = before.proven_at if before else None
    mine.create(tenant_id=tenant_id, credential_id=credential_id, proven_at=proven_at, **named)


def proven(*, tenant_id: UUID, credential_id: UUID) -> None:
    """Meta has shown the number to the tenant's token: it is the tenant's for what customers write, and so is what was
    told of it while it was nobody's. Inside the caller's `tenant_scope`."""
    mine = BusinessNumber.objects.for_tenant(tenant_id).filter(credential_id=credential_id)
    if mine.update(proven_at=Now()):
        number = mine.values_list("phone_number_id", flat=True).get()
        posting.post(tenant_id=tenant_id, task="whatsapp.tasks.ask_holder", queue="maint", phone_number_id=number)
        have_kept_given(tenant_id, number)


def ask_holder(*, tenant_id: UUID, phone_number_id: str) -> None:
    """The tenant has proven the number. If it is another's, ask Meta whether it takes that one's token still, and where
    it does not, that of who has the number then: it may have been sold by one who sends nothing any more."""
    asked = {tenant_id}
    while (holder := tenant_of_phone_number(phone_number_id)) and holder not in asked:
        asked.add(holder)
        credential = binding.in_use(tenant_id=holder).get(KEY)
        if credential:
            verifying.ask_again(tenant_id=holder, credential_id=str(credential.id))


def have_kept_given(tenant_id: UUID, phone_number_id: str, after: str = "") -> None:
    """Have a worker give the tenant what the inbox keeps of its number for nobody, from the event that follows `after`;
    inside the caller's `tenant_scope`."""
    posting.post(
        tenant_id=tenant_id,
        task="integrationhub.webhooks.tasks.give_what_was_kept",
        queue="maint",
        phone_number_id=phone_number_id,
        after=after,
    )


def tenant_of_phone_number(phone_number_id: str) -> UUID | None:
    """Whose it is: of several whose tokens Meta takes, the one that bound it first; where it takes none any more, the
    one whose it took last. The deployment's own is the platform tenant's.

    Only who has proven it counts: whoever binds another's number unverified gets none of its messages. But a token that
    is refused later takes nobody's number away, only another's proof does.
    """
    held = list(_held().filter(phone_number_id=phone_number_id).order_by("-proven_at"))
    taken = [row for row in held if _is_taken(row)]
    first = _first_of(phone_number_id, taken) if len(taken) > 1 else None
    if found := first or next(iter(taken or held), None):
        return found.tenant_id
    return read_id(settings.PLATFORM_TENANT_ID) if is_deployments(phone_number_id) else None


def _first_of(phone_number_id: str, taken: list[BusinessNumber]) -> BusinessNumber | None:
    """Who has left the number for another one comes after those who have had it meanwhile, also by a rollback."""
    was_used = Q(proven_at__isnull=False) | ~Q(
        credential__status__in=(Credential.Status.REVOKED, Credential.Status.PENDING)
    )
    since = _rows().filter(was_used, tenant_id=OuterRef("tenant_id"), credential_id__gt=OuterRef("credential_id"))
    theirs = _rows().filter(phone_number_id=phone_number_id, tenant_id__in=[row.tenant_id for row in taken])
    unbroken = theirs.filter(~Exists(since.exclude(phone_number_id=phone_number_id)))
    return unbroken.order_by("credential_id").first()


def tenants_of_waba(waba_id: str) -> list[UUID]:
    """All whose numbers are in this business account, since its templates are theirs together; of those whose token is
    refused the ones who hold their number still."""
    found = {row.tenant_id for row in _held().filter(waba_id=waba_id) if _holds(row)}
    platform = read_id(settings.PLATFORM_TENANT_ID)
    if platform and waba_id and waba_id == settings.META_WABA_ID:
        found.add(platform)
    return sorted(found)


def _held() -> QuerySet[BusinessNumber]:
    """A process of the version before notes no proof, but the credential tells."""
    is_proven = Q(proven_at__isnull=False) | Q(credential__verified=Credential.Verified.VERIFIED)
    held = _rows().filter(is_proven, credential__status=Credential.Status.ACTIVE)
    return held.select_related("credential").defer("credential__sealed")


def _is_taken(row: BusinessNumber) -> bool:
    is_over = row.credential.is_expired(datetime.now(UTC))
    return row.credential.verified == Credential.Verified.VERIFIED and not is_over


def _holds(row: BusinessNumber) -> bool:
    return _is_taken(row) or tenant_of_phone_number(row.phone_number_id) == row.tenant_id


def _rows() -> QuerySet[BusinessNumber]:
    """Of all tenants: a webhook names a number, and no tenant."""
    return BusinessNumber.objects.using(SYSTEM).all()
