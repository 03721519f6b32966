"""What is changed of a tenant's credentials stands in its audit trail."""

from collections.abc import Sequence
from typing import Any

from credentials.models import Credential
from integrationhub.audit import trail


def record(credential: Credential, action: str, subject: str, *, wiped: Sequence[int] = (), **details: Any) -> None:
    """One entry, as the last statement in the scope of the change; `subject` is who made it, `wiped` the versions whose
    secrets are gone by it."""
    trail.record(
        tenant_id=credential.tenant_id,
        action=action,
        actor=subject,
        about=f"credential:{credential.id}",
        provider_key=credential.provider_key,
        version=credential.version,
        **details,
        **({"wiped": wiped} if wiped else {}),
    )
