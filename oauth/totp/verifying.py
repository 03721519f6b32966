"""Whether a code is right: each step's code once, and after too many wrong ones none for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.functions import Coalesce

from credentials.vault import vault
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from oauth.totp import codes, locking
from oauth.totp.enrolling import find, record
from oauth.totp.errors import TotpInvalid, not_enrolled
from oauth.totp.models import Enrolment
from providers import schema_faults

VERIFY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "the id of the enrolment"},
        "code": {"type": "string", "description": "six digits, as the authenticator app shows them"},
    },
    "required": ["id", "code"],
    "additionalProperties": False,
}
_VERIFY = schema_faults.compiled(VERIFY_SCHEMA)


@dataclass(frozen=True, slots=True)
class Verified:
    """A right code. `confirmed_now`: it was the enrolment's first one, which shows that the app has the secret."""

    id: UUID
    account: str
    confirmed_at: datetime
    confirmed_now: bool
    verified: bool = True


def verify(*, tenant_id: UUID, body: Mapping[str, Any], subject: str, now: datetime) -> Verified:
    """`body` is `VERIFY_SCHEMA`, `subject` who asks, `now` the time by our own clock.

    Raises TotpInvalid; InvalidRequest, with 404 for an id that this tenant does not have; VaultUnreadable.
    """
    enrolment_id, given = _checked(body)
    enrolment = _get(tenant_id, enrolment_id)
    # The vault may be another host, so it is asked before the transaction.
    step = codes.step_of(given, vault().open(bytes(enrolment.sealed), enrolment.place), now)
    with tenant_scope(tenant_id):
        held = _held(enrolment)
        judged = _judged(held, step, subject, now) if held else not_enrolled(enrolment_id)
    # Raised here and not inside, since a wrong code's count has to be committed.
    if isinstance(judged, Verified):
        return judged
    raise judged


def _checked(body: Mapping[str, Any]) -> tuple[str, str]:
    """The id and six digits. What has another form is no guess, and counts as none."""
    if faults := schema_faults.faults(_VERIFY, body):
        names = ", ".join(fault["field"] for fault in faults[:5])
        raise InvalidRequest(f"Not valid: {names}.", reason="invalid_fields", fields=faults[:100])
    if (digits := codes.read(body["code"])) is None:
        raise TotpInvalid("A TOTP code is six digits, from 0 to 9.", reason="not_six_digits")
    return body["id"], digits


def _get(tenant_id: UUID, enrolment_id: str) -> Enrolment:
    with tenant_scope(tenant_id):
        enrolment: Enrolment | None = find(tenant_id, enrolment_id).first()
    if enrolment is None:
        raise not_enrolled(enrolment_id)
    return enrolment


@dataclass(frozen=True, slots=True)
class _Held:
    """The enrolment and all others of its account, locked: whoever guesses in many requests at once waits in line."""

    mine: Enrolment
    rows: TenantQuerySet
    failed_at: list[datetime]


def _held(enrolment: Enrolment) -> _Held | None:
    """None where somebody has removed it meanwhile."""
    of_tenant = Enrolment.objects.for_tenant(enrolment.tenant_id)
    locked = list(of_tenant.filter(account=enrolment.account).order_by("id").select_for_update())
    mine = next((each for each in locked if each.id == enrolment.id), None)
    return _Held(mine, of_tenant.filter(id=mine.id), locking.failures(locked)) if mine else None


def _judged(held: _Held, step: int | None, subject: str, now: datetime) -> Verified | TotpInvalid:
    """A lock goes first, so that nothing can be learnt of a code meanwhile."""
    until = locking.locked_until(held.failed_at)
    if until and until > now:
        return TotpInvalid(
            "Too many codes of this account were wrong. None is looked at for a while.",
            reason="locked",
            retry_after=(until - now).total_seconds(),
        )
    return _counted(held, subject, now) if step is None else _used(held, step, subject, now)


def _counted(held: _Held, subject: str, now: datetime) -> TotpInvalid:
    """A wrong code."""
    held.rows.update(failed_at=[*held.mine.failed_at, now][-locking.MOST_KEPT :])
    if until := locking.locked_until(sorted([*held.failed_at, now])):
        record(held.mine, "totp.locked", subject, until=moment(until))
    return TotpInvalid("The TOTP code is wrong.", reason="wrong_code")


def _used(held: _Held, step: int, subject: str, now: datetime) -> Verified | TotpInvalid:
    """A right code, unless it is not the first time: that is what makes a drift of one step safe."""
    unused = held.rows.filter(last_used_step__lt=step)
    if not unused.update(last_used_step=step, confirmed_at=Coalesce("confirmed_at", now)):
        return TotpInvalid("This TOTP code was used already. Wait for the next one.", reason="already_used")
    is_first = held.mine.confirmed_at is None
    if is_first:
        record(held.mine, "totp.confirmed", subject)
    return Verified(held.mine.id, held.mine.account, held.mine.confirmed_at or now, confirmed_now=is_first)
