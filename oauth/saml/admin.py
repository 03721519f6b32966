from django.contrib import admin

from integrationhub.core.operators import ReadOnlyAdmin
from oauth.saml.models import IdentityProvider


@admin.register(IdentityProvider)
class IdentityProviderAdmin(ReadOnlyAdmin):
    list_display = ["entity_id", "tenant_id", "sso_url", "allow_idp_initiated", "updated_at"]
    search_fields = ["tenant_id", "entity_id"]
    ordering = ["tenant_id"]
