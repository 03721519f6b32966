from typing import Any

from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from oauth.models import Connection
from providers.serializers import Moment


class OAuthProviderRow(serializers.Serializer):
    key = serializers.CharField()
    display_name = serializers.CharField()
    default_scopes = serializers.ListField(child=serializers.CharField())
    pkce = serializers.BooleanField()
    refreshable = serializers.BooleanField(help_text="Whether its access can be renewed without the person.")
    revocable = serializers.BooleanField()
    redirect_uri = serializers.CharField(help_text="What the app at the provider must list, exactly.")
    configured = serializers.BooleanField(help_text="Whether the tenant has bound a client for it.")


class OAuthProviderList(serializers.Serializer):
    data = OAuthProviderRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class StartedFlow(serializers.Serializer):
    provider = serializers.CharField()
    authorization_url = serializers.CharField(source="url", help_text="Where to send the person's browser.")
    state = serializers.CharField()
    redirect_uri = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = Moment()


class AuthorizeParameters(serializers.Serializer):
    redirect_uri = serializers.CharField(
        required=False, max_length=500, help_text="One of the client's redirect_uris; left out, the hub's own callback."
    )
    scopes = serializers.CharField(
        required=False, max_length=4000, help_text="Separated by spaces; left out, the client's or the provider's own."
    )
    return_to = serializers.CharField(
        required=False, max_length=500, help_text="Where the person goes after the hub's own callback."
    )


class CallbackBody(serializers.Serializer):
    provider = serializers.CharField(required=False, allow_blank=True, max_length=32)
    code = serializers.CharField(required=False, allow_blank=True, max_length=4096)
    state = serializers.CharField(required=False, allow_blank=True, max_length=500)
    code_verifier = serializers.RegexField(
        r"^[A-Za-z0-9._~-]{43,128}$", required=False, help_text="Only where no state is required."
    )
    redirect_uri = serializers.CharField(required=False, max_length=500)
    iss = serializers.CharField(required=False, max_length=500)
    user = serializers.CharField(required=False, max_length=4096, help_text="Apple's form field of that name.")


class TokenRow(serializers.Serializer):
    access_token = serializers.CharField()
    token_type = serializers.CharField(default="Bearer")
    refresh_token = serializers.CharField(allow_null=True)
    id_token = serializers.CharField(allow_null=True)
    expires_in = serializers.IntegerField(allow_null=True, help_text="Seconds, where the provider told.")
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)


class ProfileRow(serializers.Serializer):
    """null: the provider does not say."""

    id = serializers.CharField()
    email = serializers.CharField(allow_null=True)
    email_verified = serializers.BooleanField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    given_name = serializers.CharField(allow_null=True)
    family_name = serializers.CharField(allow_null=True)
    avatar_url = serializers.CharField(allow_null=True)
    locale = serializers.CharField(allow_null=True)


class FullProfile(ProfileRow):
    raw = serializers.DictField(help_text="What the provider answered, without tokens.")


class ConnectionRow(serializers.ModelSerializer):
    """A connected account as it may be shown; its tokens never are."""

    reason = serializers.SerializerMethodField(help_text="Why it is not active; null while it is.")
    missing_scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    profile = ProfileRow(read_only=True, allow_null=True)
    refreshable = serializers.BooleanField(source="can_be_refreshed", read_only=True)
    expires_at = Moment(read_only=True, allow_null=True)
    grant_expires_at = Moment(read_only=True, allow_null=True)
    refreshed_at = Moment(read_only=True, allow_null=True)
    next_refresh_at = Moment(source="refresh_at", read_only=True, allow_null=True)
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    class Meta:
        model = Connection
        fields = [
            "id",
            "provider",
            "account_id",
            "account",
            "status",
            "reason",
            "scopes",
            "required_scopes",
            "missing_scopes",
            "profile",
            "refreshable",
            "expires_at",
            "grant_expires_at",
            "refreshed_at",
            "next_refresh_at",
            "failures",
            "last_error",
            "created_at",
            "updated_at",
        ]

    def get_reason(self, connection: Connection) -> str | None:
        return connection.reason or None


class ConnectionList(PageShape):
    data = ConnectionRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class ConnectionFilters(serializers.Serializer):
    provider = serializers.CharField(required=False, max_length=32)
    status = serializers.ChoiceField(
        [Connection.Status.ACTIVE.value, Connection.Status.NEEDS_REAUTH.value], required=False
    )


class SessionRow(serializers.Serializer):
    id = serializers.UUIDField()
    connect_url = serializers.CharField(help_text="For the person's browser, shown once.")
    providers = serializers.ListField(child=serializers.CharField())
    expires_at = Moment()

    def to_representation(self, link: Any) -> dict[str, Any]:
        return super().to_representation(
            {
                "id": link.session.id,
                "connect_url": link.url,
                "providers": link.session.providers,
                "expires_at": link.session.expires_at,
            }
        )
