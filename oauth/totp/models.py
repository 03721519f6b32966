from django.contrib.postgres.fields import ArrayField
from django.db import models

from credentials.sealed_field import SealedField
from credentials.vault import Context
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned


class Enrolment(TenantOwned):
    """One authenticator app of one account. An account may have several; the wrong codes of all count together."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.CharField(max_length=128, help_text="What the tenant calls whose codes these are.")
    sealed = SealedField()
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="When its first code was right.")
    last_used_step = models.BigIntegerField(default=0, help_text="The codes of this step and those before are used up.")
    failed_at = ArrayField(models.DateTimeField(), default=list, blank=True, help_text="The latest wrong codes.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "TOTP enrolment"
        indexes = [models.Index(fields=["tenant_id", "account"], name="totp_of_account")]

    def __str__(self) -> str:
        return f"{self.account} {self.id}"

    @property
    def place(self) -> Context:
        """Where its secret is sealed for."""
        return Context(self.tenant_id, self._meta.db_table, self.id, "sealed")
