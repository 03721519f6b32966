import secrets

from django.db import models

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned


class IdentityProvider(TenantOwned):
    """Who vouches for a tenant's people. Its certificates are the only ones that a response is verified with."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    entity_id = models.CharField(max_length=1024)
    sso_url = models.CharField(max_length=2048)
    certificates: "models.JSONField[list[str], list[str]]" = models.JSONField(
        help_text="PEM; several during a rotation."
    )
    allow_idp_initiated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id"], name="one_identity_provider_per_tenant")]

    def __str__(self) -> str:
        return self.entity_id


def new_request_id() -> str:
    """160 random bits behind a letter, since an XML ID begins with no digit (SAML core, section 1.3.4)."""
    return f"id-{secrets.token_hex(20)}"


class SignInRequest(TenantOwned):
    """A request that an identity provider may answer once, while the row is there and not past its time."""

    id = models.CharField(primary_key=True, max_length=64, default=new_request_id, editable=False)
    relay_state = models.CharField(max_length=512, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.id


class UsedAssertion(TenantOwned):
    """An assertion that has signed somebody in, remembered for as long as it would be valid."""

    pk = models.CompositePrimaryKey("tenant_id", "digest")
    digest = models.CharField(max_length=64, help_text="SHA-256 of its ID.")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest
