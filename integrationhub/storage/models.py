from django.db import models

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned


class SharedPin(TenantOwned):
    """That a tenant wants content kept by the node that tenants share. The node has one pin for all who want it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    cid = models.CharField(max_length=200, help_text="In the spelling of version 1, whatever it was asked for by.")
    size = models.BigIntegerField(
        default=0, db_default=0, help_text="In bytes. Of what was pinned before sizes were written down: 0."
    )
    is_wanted = models.BooleanField(
        default=True, db_default=True, help_text="Not: it was taken back, and the node is yet to forget it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "cid"], name="shared_pin_once")]
        indexes = [models.Index(fields=["cid"], name="shared_pin_by_cid")]

    def __str__(self) -> str:
        return self.cid
