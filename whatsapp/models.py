"""Which business numbers tenants have: what the inbox finds a tenant by without opening a secret."""

from django.db import models

from credentials.models import Credential
from integrationhub.core.tenancy import TenantOwned


class BusinessNumber(TenantOwned):
    """What one version of a tenant's credential says that is no secret. It counts while that version is in use."""

    credential = models.OneToOneField(Credential, on_delete=models.CASCADE, primary_key=True)
    phone_number_id = models.CharField(max_length=32)
    waba_id = models.CharField(max_length=32)

    class Meta:
        indexes = [
            models.Index(fields=["phone_number_id"], name="number_by_phone"),
            models.Index(fields=["waba_id"], name="number_by_waba"),
        ]

    def __str__(self) -> str:
        return f"number {self.phone_number_id}"
