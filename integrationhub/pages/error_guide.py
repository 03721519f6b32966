"""What the catalogue leaves unsaid, entry by entry: likely causes, who can fix it, and how to see it for yourself."""

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from integrationhub.core import catalogue as c
from integrationhub.core.catalogue import Entry
from integrationhub.pages.commands import ADMIN_TOKEN, PREFIX, Command, get, post, sms


class Who(TextChoices):
    DEVELOPER = "client_developer", _("client developer")
    ADMIN = "tenant_admin", _("tenant admin")
    OPERATOR = "operator", _("operator")


DEVELOPER, ADMIN, OPERATOR = Who.DEVELOPER, Who.ADMIN, Who.OPERATOR
Text = str | Promise


@dataclass(frozen=True, slots=True)
class Advice:
    """`fixed_by` names the likeliest first. The last of `commands` meets the error; where there is none, it occurs at
    `path`.
    """

    fixed_by: tuple[Who, ...]
    causes: tuple[Text, ...]
    commands: tuple[Command, ...]
    path: str

    @property
    def where(self) -> str:
        return self.commands[-1].full_path if self.commands else self.path


def _advice(*said: Who | Text | Command, path: str = "/execute", prefix: str = PREFIX) -> Advice:
    """The advice from its parts, any number of each: who, causes, commands."""
    return Advice(
        fixed_by=tuple(part for part in said if isinstance(part, Who)),
        causes=tuple(part for part in said if isinstance(part, (str, Promise)) and not isinstance(part, Who)),
        commands=tuple(part for part in said if isinstance(part, Command)),
        path=prefix + path,
    )


_FAX = {"category": "messaging", "intent": "message.send.fax", "payload": {}}
_HOOK = {"category": "automation", "intent": "webhook.send.http", "payload": {"url": "https://example.com/hook"}}
_PLANNED = {"provider_key": "acme_sms", "display_name": "Acme SMS", "category": "messaging", "status": "planned"}
_NOBODY = "00000000-0000-4000-8000-000000000000"
_CALLBACK = "/oauth/callback"

GUIDE: dict[Entry, Advice] = {
    # Execution
    c.INVALID_INTENT: _advice(
        DEVELOPER,
        _("The intent is misspelled; details.didYouMean lists names that are spelled alike."),
        _("The intent exists, but in another category than the one that was sent."),
        post("/execute", _FAX),
    ),
    c.UNAUTHORIZED: _advice(
        DEVELOPER,
        OPERATOR,
        _("The Authorization header is missing, or its scheme is not Bearer."),
        _("The token has expired; a token lives for at most 24 hours."),
        _("The token was signed with another key, or names another issuer or audience than this hub's."),
        get("/providers", token=None),
    ),
    c.FORBIDDEN: _advice(
        DEVELOPER,
        _("The x-tenant-id header names a tenant, and the token's tenant_id another one."),
        _("A token of one environment is used with a tenant of another."),
        get("/providers", tenant=_NOBODY),
    ),
    c.QUOTA_EXCEEDED: _advice(
        ADMIN,
        OPERATOR,
        _("The tenant has run as many executions this month as its tier allows. GET /usage shows when it resets."),
        _("A loop in the client sends the same thing again and again; an Idempotency-Key would have stopped it."),
        sms("+15005550422"),
    ),
    c.EXECUTION_RATE_LIMIT_EXCEEDED: _advice(
        DEVELOPER,
        ADMIN,
        _("More executions in 60 seconds than the tenant's tier allows, by all of the tenant's clients together."),
        _("Retries without a pause use up the window that they wait for."),
        sms("+15005550428"),
    ),
    c.ALL_PROVIDERS_FAILED: _advice(
        ADMIN,
        OPERATOR,
        _("Each provider in the chain answered with a fault of its own or could not be reached."),
        _("The chain holds one provider only, so there is nothing to fall back on."),
        _("The network of this installation does not let requests out."),
        sms("+15005559503"),
    ),
    c.NO_PROVIDERS: _advice(
        ADMIN,
        _("Nothing that serves this intent is installed, or what is installed is switched off."),
        _("options.providers names a provider that exists and is not installed (reason not_installed)."),
        _("options.mode is live, and only sandbox providers are installed."),
        post("/execute", _HOOK, token=ADMIN_TOKEN),
    ),
    c.INVALID_REQUEST: _advice(
        DEVELOPER,
        _("A required member is missing, or a value is not what its schema asks for: details.fields names each."),
        _("The body is not JSON that every parser reads alike, such as one with a key that occurs twice."),
        _("HTTP itself names the fault: an unknown path (404), a method (405), an Accept header (406), a size (413)."),
        post("/execute", {}),
    ),
    c.EXECUTION_FAILED: _advice(
        OPERATOR,
        DEVELOPER,
        _("The provider never answered and may have acted (reason outcome_unknown): do not send it again unchecked."),
        _("The hub could not run it: the database is away (the answer is then retryable), or an adapter has a bug."),
        sms("+15005550505"),
    ),
    # Provider
    c.PROVIDER_NOT_FOUND: _advice(
        DEVELOPER,
        _("The key is spelled with other capitals: Sandbox_Primary is not sandbox_primary."),
        _("The provider was never added to this installation."),
        get("/providers/Sandbox_Primary"),
    ),
    c.PROVIDER_CREATE_FAILED: _advice(
        OPERATOR,
        _("A required field is missing or has a value that it cannot have: details.fields names each."),
        _("A provider with this provider_key exists."),
        _("The status is active, and no adapter has this key; such a provider is planned."),
        post("/providers", {}, token=ADMIN_TOKEN),
    ),
    c.ADAPTER_NOT_FOUND: _advice(
        OPERATOR,
        _("The provider's row is planned: it is announced, and its adapter is not part of this release."),
        post("/providers", _PLANNED, token=ADMIN_TOKEN),
        get("/providers/acme_sms/adapter"),
    ),
    # Credential
    c.CREDENTIAL_BIND_FAILED: _advice(
        ADMIN,
        OPERATOR,
        _("A member of credentials is missing or malformed: the adapter's credential_schema says what it needs."),
        _("The provider refused the credential when it was tried."),
        _("The vault is unavailable; the answer then says that it is retryable."),
        _("Another rotation of the same credential is under way, or another change of it came first."),
        post(
            "/credentials/bind",
            {"provider_key": "sandbox_primary", "credentials": {"api_key": 1}},
            token=ADMIN_TOKEN,
        ),
    ),
    c.INTERNAL_CREDENTIAL_BIND_FAILED: _advice(
        OPERATOR,
        _("A sibling service sent what a tenant's own binding would be refused for."),
        path="/internal/credentials/bind",
    ),
    c.CREDENTIAL_NOT_FOUND: _advice(
        ADMIN,
        _("The provider is installed, and nobody has bound a credential to it."),
        _("The credential was revoked, or belongs to another tenant."),
        get(f"/credentials/{_NOBODY}", token=ADMIN_TOKEN),
    ),
    c.CREDENTIAL_EXPIRED: _advice(
        ADMIN,
        _("The credential was bound with an expiry date that has passed."),
        _("The provider limits the life of its keys, and nobody has rotated this one."),
        sms("+15005550401"),
    ),
    # OAuth
    c.MISSING_TOKEN: _advice(
        DEVELOPER,
        _("The body has neither a token nor a connection_id to take one from."),
        path="/oauth/google/profile",
    ),
    c.OAUTH_PROVIDER_REQUIRED: _advice(
        DEVELOPER, _("The redirect's parameters were passed on without the provider they came from."), path=_CALLBACK
    ),
    c.OAUTH_CODE_REQUIRED: _advice(
        DEVELOPER,
        _("The user refused, so that the provider redirected with error instead of code."),
        path=_CALLBACK,
    ),
    c.OAUTH_TOKEN_EXCHANGE_FAILED: _advice(
        DEVELOPER,
        ADMIN,
        _("The code has expired or was used before: a reloaded page sends it twice."),
        _("The redirect URI differs by a character from the one that the flow began with."),
        _("The state is unknown, used, expired, or was issued to another tenant."),
        _("The client secret in the tenant's credential is not the one of the client id."),
        path=_CALLBACK,
    ),
    c.OAUTH_UNSUPPORTED_PROVIDER: _advice(
        DEVELOPER, _("The provider is misspelled, or is one that this hub does not connect to."), path=_CALLBACK
    ),
    c.OAUTH_REFRESH_NOT_SUPPORTED: _advice(
        DEVELOPER,
        _("Apple and Instagram issue no refresh token that this flow could use."),
        path="/oauth/apple/refresh",
    ),
    c.OAUTH_REFRESH_FAILED: _advice(
        ADMIN,
        _("The user withdrew the permission at the provider, or changed the password."),
        _("The refresh token has expired, or was used by another copy of the application."),
        path="/oauth/google/refresh",
    ),
    c.OAUTH_REVOCATION_FAILED: _advice(
        DEVELOPER,
        ADMIN,
        _("The provider's revocation endpoint did not answer, or refused."),
        _("The provider has no revocation at all (Microsoft, Instagram); our own copy is disabled all the same."),
        path="/oauth/google/revoke",
    ),
    c.OAUTH_PROFILE_FETCH_FAILED: _advice(
        DEVELOPER,
        ADMIN,
        _("The access token has expired."),
        _("The user granted fewer scopes than the profile needs."),
        path="/oauth/google/profile",
    ),
    c.TOTP_INVALID: _advice(
        DEVELOPER,
        _("The code was typed after it had rotated, or the clock of the user's device is wrong."),
        _("The code was used once already."),
        _("Five wrong codes have locked the enrolment for a while: reason locked, with retryAfter."),
        path="/totp/verify",
    ),
    c.SAML_DECODE: _advice(
        ADMIN,
        DEVELOPER,
        _("The response was URL-decoded twice, or its line breaks were lost."),
        _("The signature, audience, recipient or time does not match the tenant's identity provider."),
        _("The same response was sent before."),
        _("The tenant has no identity provider yet: details.reason is not_configured."),
        post("/saml/acs", {"SAMLResponse": "PHNhbWw+"}, token=ADMIN_TOKEN),
    ),
    # WhatsApp
    c.WHATSAPP_UNAVAILABLE: _advice(
        OPERATOR,
        ADMIN,
        _("Meta did not answer, or answered with a fault of its own."),
        _("The access token does not belong to the business of the phone number id."),
        path="/whatsapp/media/send",
    ),
    c.WHATSAPP_NOT_CONFIGURED: _advice(
        ADMIN,
        OPERATOR,
        _("The tenant has bound no WhatsApp credential, and the installation has none of its own."),
        path="/whatsapp/messages",
    ),
    c.WHATSAPP_SYNC_FAILED: _advice(
        ADMIN,
        OPERATOR,
        _("The account id is that of an app or a business instead of the WhatsApp Business Account."),
        _("The access token lacks a permission, or was made by a user who has left."),
        path="/whatsapp/templates/sync",
    ),
    c.WHATSAPP_MEDIA_DOWNLOAD_FAILED: _advice(
        OPERATOR,
        DEVELOPER,
        _("Meta keeps what a customer has sent for seven days, and what was uploaded for thirty."),
        _("The file is of another number than the tenant's; details.meta has Meta's own words."),
        _("The bucket does not exist, or its policy refuses the write."),
        path="/whatsapp/media/1234567890/download",
    ),
    c.DELIVERY_NOT_FOUND: _advice(
        DEVELOPER,
        _("The message was sent by another tenant; whether it exists is not told."),
        _("The id is that of an execution instead of a delivery."),
        path="/whatsapp/deliveries/wamid.unknown",
    ),
    c.INVALID_SIGNATURE: _advice(
        OPERATOR,
        _("The app secret was rotated at Meta and not here."),
        _("A proxy in front of the hub changed the body: the signature covers its exact bytes."),
        path="/webhooks/whatsapp",
        prefix="",
    ),
    c.TEMPLATE_REQUIRED: _advice(
        DEVELOPER,
        _("The recipient's last message is more than 24 hours old, or there never was one."),
        sms("+15005550024"),
    ),
    c.TEMPLATE_NOT_FOUND: _advice(
        ADMIN,
        DEVELOPER,
        _("The template was created at Meta after the last sync."),
        _("The template exists in another language than the one that was asked for."),
        path="/whatsapp/messages",
    ),
    c.INVALID_TEMPLATE_PARAMS: _advice(
        DEVELOPER,
        _("A variable of the header or of a button's URL is missing; each part counts on its own."),
        _("The template was edited at Meta and has more variables now."),
        path="/whatsapp/messages",
    ),
    c.INVALID_PHONE: _advice(
        DEVELOPER,
        _("The number is national: it has no + and country code."),
        _("Spaces, brackets or hyphens were left in it; nothing is stripped."),
        _("No country hands out numbers of this length or with this prefix."),
        sms("+15005550001"),
    ),
    # Storage
    c.IPFS_UNAVAILABLE: _advice(
        OPERATOR,
        ADMIN,
        _("The node is down, or its API listens on its own machine only."),
        _("Neither the tenant nor the installation names a node."),
        path="/storage/ipfs",
    ),
    # Integration
    c.INTEGRATION_NOT_FOUND: _advice(
        DEVELOPER,
        _("The id of an installation was used where the marketplace's own id is meant, or the other way round."),
        _("The integration was uninstalled, or belongs to another tenant."),
        get("/marketplace/integrations/no-such-integration"),
    ),
    c.CONNECTION_NOT_FOUND: _advice(
        DEVELOPER,
        _("The connection was deleted, or belongs to another tenant."),
        path="/connections/0190c8f2-0000-7000-8000-000000000000",
    ),
    c.WEBHOOK_NOT_FOUND: _advice(
        DEVELOPER,
        _("The event is older than the installation keeps events, or belongs to another tenant."),
        _("The address that a provider posts to names an endpoint that was deleted."),
        path="/webhooks/0190c8f2-0000-7000-8000-000000000000",
    ),
    # Versioning
    c.UNSUPPORTED_API_VERSION: _advice(
        DEVELOPER,
        _("The version is missing from the path, or is misspelled: /integrationhub/v1/execute is right."),
        get("/providers", prefix="/integrationhub/v9"),
    ),
    c.API_VERSION_SUNSET: _advice(
        DEVELOPER,
        _("The client is older than the day on which its version was switched off; the Sunset header names that day."),
        get("/providers", prefix="/integrationhub/v0"),
    ),
    # Auth
    c.TENANT_REQUIRED: _advice(
        DEVELOPER,
        _("The x-tenant-id header is missing; some proxies drop headers that they do not know."),
        _("Its value is no UUID, or the header was sent twice."),
        get("/providers", tenant=None),
    ),
    c.RBAC_FORBIDDEN: _advice(
        ADMIN,
        DEVELOPER,
        _("The token's roles are empty, or hold none that this hub knows."),
        _("The role is too low; details.requiredRole names the one that is needed."),
        _("The endpoint changes what all tenants share, and is for admins of the platform's own tenant."),
        post("/credentials/bind", {}),
    ),
    c.MTLS_REQUIRED: _advice(
        OPERATOR,
        _("The request did not come through the gateway, or the gateway did not ask for a certificate."),
        _("The certificate has expired, or its identity is not on the list of those that are allowed."),
        path="/internal/credentials/bind",
    ),
    c.RATE_LIMIT_EXCEEDED: _advice(
        DEVELOPER,
        ADMIN,
        _("More requests in 60 seconds than the tenant's tier allows, by all of the tenant's clients together."),
        path="/providers",
    ),
    c.UNEXPECTED: _advice(
        OPERATOR,
        _("The database is away; the answer then says that it is retryable, and when to try again."),
        _("A fault of the hub itself. The log line with the requestId has its traceback."),
    ),
    # Meta Adapter
    c.META_UNAUTHORIZED: _advice(
        ADMIN,
        _("The access token has expired or was revoked: tokens of a system user do not expire, those of a person do."),
        sms("+15005550190"),
    ),
    c.META_INVALID_PARAM: _advice(
        DEVELOPER,
        _("A field of the message is not one that Meta knows for this type; details.meta has Meta's own words."),
        sms("+15005550100"),
    ),
    c.META_UNDELIVERABLE: _advice(
        DEVELOPER,
        ADMIN,
        _("The recipient has no WhatsApp account, or has blocked the business."),
        _("Too many recipients reported earlier messages, and Meta limits the sender."),
        sms("+15005551048"),
    ),
    c.META_TEMPLATE_NOT_FOUND: _advice(
        ADMIN,
        _("The template was deleted or renamed at Meta after the last sync."),
        sms("+15005553000"),
    ),
    c.META_TEMPLATE_PAUSED: _advice(
        ADMIN,
        _("Recipients blocked or reported messages of this template, and Meta paused it for some hours."),
        sms("+15005552000"),
    ),
    c.META_RATE_LIMIT: _advice(
        DEVELOPER,
        ADMIN,
        _("The app made more calls than Meta allows it; the limit grows with the quality of the number."),
        sms("+15005554004"),
    ),
}
