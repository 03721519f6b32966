"""The closed catalogue: every error that the hub answers with is one of these 54 entries.

The key is the code, spelled out and never assembled: two codes share the name RATE_LIMIT_EXCEEDED, so there are 54
codes and 53 names. This module is data. It knows no framework, and raising is left to the `errors.py` of each app.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: what happened (`message`), what to do about it (`resolution`), and how HTTP says so (`status`).

    `category` is one of the ten groups of the reference. `retryable` says whether the same request, sent again
    unchanged, may succeed. Where `depends` is true an answer with this entry may say the opposite, so that only its own
    `retryable` tells.
    """

    code: str
    status: int
    message: str
    resolution: str
    category: str
    retryable: bool = False
    depends: bool = False

    @property
    def name(self) -> str:
        """The code without the prefix of its family. Not a key: see above."""
        return re.sub(r"^ERR_(INTEGRATION_HUB_(SVC_)?)?", "", self.code)


# Execution

INVALID_INTENT = Entry(
    "ERR_INTEGRATION_HUB_SVC_INVALID_INTENT",
    400,
    "The provided intent is not valid for the specified category",
    "Name the intent as <domain>.<action> (e.g., message.send.sms) and send it with the category it belongs to.",
    "Execution",
)
UNAUTHORIZED = Entry(
    "ERR_INTEGRATION_HUB_SVC_UNAUTHORIZED",
    401,
    "Authentication failed for the execution request",
    "Send a valid, unexpired Bearer token in the Authorization header.",
    "Execution",
)
FORBIDDEN = Entry(
    "ERR_INTEGRATION_HUB_SVC_FORBIDDEN",
    403,
    "Tenant access denied for execution",
    "Send the x-tenant-id header of the tenant that your JWT token was issued for.",
    "Execution",
)
QUOTA_EXCEEDED = Entry(
    "ERR_INTEGRATION_HUB_SVC_QUOTA_EXCEEDED",
    422,
    "Monthly execution quota has been exceeded",
    "Wait until the quota resets, or upgrade the tenant's subscription tier.",
    "Execution",
)
EXECUTION_RATE_LIMIT_EXCEEDED = Entry(
    "ERR_INTEGRATION_HUB_SVC_RATE_LIMIT_EXCEEDED",
    429,
    "Per-minute rate limit exceeded for executions",
    "Wait for the seconds in the Retry-After header, then try again with exponential backoff.",
    "Execution",
    retryable=True,
)
ALL_PROVIDERS_FAILED = Entry(
    "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED",
    503,
    "All providers in the fallback chain have failed",
    "Read the details.errors array: it holds the failure of each individual provider.",
    "Execution",
    retryable=True,
)
NO_PROVIDERS = Entry(
    "ERR_INTEGRATION_HUB_SVC_NO_PROVIDERS",
    503,
    "No providers are available for the requested intent",
    "Open the marketplace and install a provider whose category covers the requested intent.",
    "Execution",
)
INVALID_REQUEST = Entry(
    "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST",
    400,
    "Required execution parameters are missing",
    "Correct what details.reason or details.fields names; an execution needs category, intent and payload.",
    "Execution",
    depends=True,
)
EXECUTION_FAILED = Entry(
    "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED",
    503,
    "Generic execution failure after all error handling",
    "Read the error message, then look in the service logs for the x-request-id of this answer.",
    "Execution",
    depends=True,
)

# Provider

PROVIDER_NOT_FOUND = Entry(
    "ERR_INTEGRATION_HUB_SVC_PROVIDER_NOT_FOUND",
    404,
    "The requested provider does not exist",
    "Pick a key that GET /providers lists, spelled exactly like that: keys are case-sensitive.",
    "Provider",
)
PROVIDER_CREATE_FAILED = Entry(
    "ERR_INTEGRATION_HUB_SVC_PROVIDER_CREATE_FAILED",
    400,
    "Provider creation failed due to invalid configuration",
    "Correct the fields named in details; provider_key, display_name, category and status are required.",
    "Provider",
)
ADAPTER_NOT_FOUND = Entry(
    "ERR_INTEGRATION_HUB_SVC_ADAPTER_NOT_FOUND",
    404,
    "No adapter implementation exists for the provider",
    "Choose a provider from the details.availableAdapters list, or ask the platform team for this one.",
    "Provider",
)

# Credential

CREDENTIAL_BIND_FAILED = Entry(
    "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED",
    400,
    "Credential binding (storage) failed",
    "Check the providerId, the credential format, and whether vault-svc is available.",
    "Credential",
    depends=True,
)
INTERNAL_CREDENTIAL_BIND_FAILED = Entry(
    "ERR_INTEGRATION_HUB_SVC_INTERNAL_CREDENTIAL_BIND_FAILED",
    400,
    "Internal (mTLS) credential binding failed",
    "Check all that CREDENTIAL_BIND_FAILED asks for, and the mTLS certificates of the calling service.",
    "Credential",
    depends=True,
)
CREDENTIAL_NOT_FOUND = Entry(
    "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND",
    404,
    "No active credentials found for the provider",
    "Store credentials for this provider with POST /credentials/bind, then send the request again.",
    "Credential",
)
CREDENTIAL_EXPIRED = Entry(
    "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_EXPIRED",
    400,
    "The stored credentials have expired",
    "Bind fresh credentials, or renew them through the OAuth refresh token flow.",
    "Credential",
)

# OAuth

MISSING_TOKEN = Entry(
    "ERR_INTEGRATION_HUB_SVC_MISSING_TOKEN",
    400,
    "Access token not provided in the request body",
    'Put the token into the request body: { "access_token": "<token>" }.',
    "OAuth",
)
OAUTH_PROVIDER_REQUIRED = Entry(
    "ERR_OAUTH_PROVIDER_REQUIRED",
    400,
    "The provider field is missing from the OAuth callback",
    'Add the provider to the callback payload (e.g., "provider": "google").',
    "OAuth",
)
OAUTH_CODE_REQUIRED = Entry(
    "ERR_OAUTH_CODE_REQUIRED",
    400,
    "The code field is missing from the OAuth callback",
    "Add the authorization code that the OAuth provider gave to its redirect.",
    "OAuth",
)
OAUTH_TOKEN_EXCHANGE_FAILED = Entry(
    "ERR_OAUTH_TOKEN_EXCHANGE_FAILED",
    400,
    "Authorization code exchange for access token failed",
    "Start again with a new code, which expires in 30-60s, and send the code_verifier and redirect URI of its start.",
    "OAuth",
)
OAUTH_UNSUPPORTED_PROVIDER = Entry(
    "ERR_OAUTH_UNSUPPORTED_PROVIDER",
    400,
    "The specified OAuth provider is not supported",
    "Choose one of google, microsoft, linkedin, twitter, apple, facebook, instagram, github.",
    "OAuth",
)
OAUTH_REFRESH_NOT_SUPPORTED = Entry(
    "ERR_OAUTH_REFRESH_NOT_SUPPORTED",
    400,
    "Provider does not support token refresh",
    "Have the user re-authenticate: Apple and Instagram give new tokens in no other way.",
    "OAuth",
)
OAUTH_REFRESH_FAILED = Entry(
    "ERR_OAUTH_REFRESH_FAILED",
    400,
    "Token refresh failed at the provider",
    "Have the user re-authenticate and go through the full OAuth flow once more.",
    "OAuth",
    depends=True,
)
OAUTH_REVOCATION_FAILED = Entry(
    "ERR_OAUTH_REVOCATION_FAILED",
    400,
    "Token revocation failed at the provider endpoint",
    "Retry; a token that has already expired may not need revocation.",
    "OAuth",
    retryable=True,
    depends=True,
)
OAUTH_PROFILE_FETCH_FAILED = Entry(
    "ERR_OAUTH_PROFILE_FETCH_FAILED",
    400,
    "Profile fetch from provider API failed",
    "Refresh the access token and retry; if that fails too, compare its scopes with the required ones.",
    "OAuth",
    depends=True,
)
TOTP_INVALID = Entry(
    "ERR_TOTP_INVALID",
    400,
    "The TOTP code is invalid",
    "Send the current TOTP code: it rotates every 30 seconds.",
    "OAuth",
)
SAML_DECODE = Entry(
    "ERR_SAML_DECODE",
    400,
    "The SAML response could not be decoded",
    "Send the SAML response as properly Base64-encoded, valid XML.",
    "OAuth",
)

# WhatsApp

WHATSAPP_UNAVAILABLE = Entry(
    "ERR_INTEGRATION_HUB_SVC_WHATSAPP_UNAVAILABLE",
    503,
    "WhatsApp media send failed",
    "Check the env vars META_WHATSAPP_ACCESS_TOKEN and META_WHATSAPP_PHONE_NUMBER_ID.",
    "WhatsApp",
    retryable=True,
)
WHATSAPP_NOT_CONFIGURED = Entry(
    "ERR_INTEGRATION_HUB_SVC_WHATSAPP_NOT_CONFIGURED",
    503,
    "WhatsApp Business API credentials are not configured",
    "Bind WhatsApp credentials for the tenant, or set the env vars META_WABA_ID and META_WHATSAPP_ACCESS_TOKEN.",
    "WhatsApp",
)
WHATSAPP_SYNC_FAILED = Entry(
    "ERR_INTEGRATION_HUB_SVC_WHATSAPP_SYNC_FAILED",
    503,
    "Template synchronization from Meta failed",
    "Check META_WABA_ID, and that the access token has the whatsapp_business_management permission.",
    "WhatsApp",
    retryable=True,
)
WHATSAPP_MEDIA_DOWNLOAD_FAILED = Entry(
    "ERR_INTEGRATION_HUB_SVC_WHATSAPP_MEDIA_DOWNLOAD_FAILED",
    503,
    "Media download and S3 storage failed",
    "Check that the mediaId is still valid, since Meta URLs are temporary, and that the S3 permissions allow writing.",
    "WhatsApp",
    retryable=True,
)
DELIVERY_NOT_FOUND = Entry(
    "ERR_INTEGRATION_HUB_DELIVERY_NOT_FOUND",
    403,
    "Message delivery record not found",
    "Check the messageId: it is either the Meta ID or the ID of our internal delivery record.",
    "WhatsApp",
)
INVALID_SIGNATURE = Entry(
    "ERR_INTEGRATION_HUB_INVALID_SIGNATURE",
    401,
    "WhatsApp webhook HMAC-SHA256 signature verification failed",
    "Set META_WEBHOOK_APP_SECRET to the app secret in the Meta app configuration.",
    "WhatsApp",
)
TEMPLATE_REQUIRED = Entry(
    "ERR_INTEGRATION_HUB_TEMPLATE_REQUIRED",
    400,
    "Template required (24h messaging window closed)",
    "Send a template_name; while the window is closed, only Meta-approved templates are allowed.",
    "WhatsApp",
)
TEMPLATE_NOT_FOUND = Entry(
    "ERR_INTEGRATION_HUB_TEMPLATE_NOT_FOUND",
    404,
    "WhatsApp template not found",
    "Run POST /whatsapp/templates/sync, then use the exact name: names are case-sensitive.",
    "WhatsApp",
)
INVALID_TEMPLATE_PARAMS = Entry(
    "ERR_INTEGRATION_HUB_INVALID_TEMPLATE_PARAMS",
    400,
    "Template parameters do not match definition",
    "Send every required parameter of the template definition, which GET /whatsapp/templates shows.",
    "WhatsApp",
)
INVALID_PHONE = Entry(
    "ERR_INTEGRATION_HUB_INVALID_PHONE",
    400,
    "Phone number format is invalid",
    "Write the number in E.164 format: +<country_code><number> (e.g., +14155552671).",
    "WhatsApp",
)

# Storage

IPFS_UNAVAILABLE = Entry(
    "ERR_INTEGRATION_HUB_SVC_IPFS_UNAVAILABLE",
    503,
    "IPFS service is unavailable",
    "Check that the IPFS node can be reached, then the gateway config and the API credentials.",
    "Storage",
    retryable=True,
)

# Integration

INTEGRATION_NOT_FOUND = Entry(
    "ERR_INTEGRATION_HUB_SVC_INTEGRATION_NOT_FOUND",
    404,
    "The specified integration was not found",
    "Take the ID from GET /integrations/installed or GET /marketplace/integrations.",
    "Integration",
)
CONNECTION_NOT_FOUND = Entry(
    "ERR_CONNECTION_NOT_FOUND",
    404,
    "The specified OAuth connection was not found",
    "Take the ID from GET /connections; connections are tenant-scoped, so another tenant's is not found.",
    "Integration",
)
WEBHOOK_NOT_FOUND = Entry(
    "ERR_WEBHOOK_NOT_FOUND",
    404,
    "The specified webhook event was not found",
    "Take the ID from GET /webhooks, which lists the webhook events of the current tenant.",
    "Integration",
)

# Versioning

UNSUPPORTED_API_VERSION = Entry(
    "ERR_INTEGRATION_HUB_SVC_UNSUPPORTED_API_VERSION",
    400,
    "The requested API version is not recognized",
    "Call v1 (current) or v2; the error response lists them in supportedVersions.",
    "Versioning",
)
API_VERSION_SUNSET = Entry(
    "ERR_INTEGRATION_HUB_SVC_API_VERSION_SUNSET",
    400,
    "The API version has been permanently removed",
    "Migrate to the current version; the migrationGuide URL in the error response says how.",
    "Versioning",
)

# Auth

TENANT_REQUIRED = Entry(
    "ERR_TENANT_REQUIRED",
    401,
    "Tenant ID is missing from the request",
    "Send the x-tenant-id header with the tenant's valid UUID.",
    "Auth",
)
RBAC_FORBIDDEN = Entry(
    "ERR_RBAC_FORBIDDEN",
    403,
    "User has no roles assigned",
    "Use a JWT with a role that this endpoint allows; the roles are user, organizer and admin.",
    "Auth",
)
MTLS_REQUIRED = Entry(
    "ERR_MTLS_REQUIRED",
    401,
    "mTLS client certificate verification failed",
    "Call internal endpoints through the API gateway, with a valid mTLS certificate.",
    "Auth",
)
RATE_LIMIT_EXCEEDED = Entry(
    "ERR_RATE_LIMIT_EXCEEDED",
    429,
    "Per-minute rate limit exceeded",
    "Wait for retryAfter seconds, then try again with exponential backoff.",
    "Auth",
    retryable=True,
)
UNEXPECTED = Entry(
    "ERR_UNEXPECTED",
    500,
    "An unhandled exception occurred",
    "Look in the logs for the x-request-id of this answer, and report it to the platform team if it is persistent.",
    "Auth",
    depends=True,
)

# Meta Adapter

META_UNAUTHORIZED = Entry(
    "META_UNAUTHORIZED",
    401,
    "Invalid Meta OAuth access token (error 190)",
    "Refresh the Meta WhatsApp access token and bind the new one.",
    "Meta Adapter",
)
META_INVALID_PARAM = Entry(
    "META_INVALID_PARAM",
    400,
    "Invalid parameter in Meta API request (error 100)",
    "Check the message payload for invalid fields, and the phone number's format.",
    "Meta Adapter",
)
META_UNDELIVERABLE = Entry(
    "META_UNDELIVERABLE",
    400,
    "Message could not be delivered (error 131048)",
    "Check that the recipient is registered on WhatsApp and has not blocked the business.",
    "Meta Adapter",
)
META_TEMPLATE_NOT_FOUND = Entry(
    "META_TEMPLATE_NOT_FOUND",
    404,
    "Message template not found (error 133000)",
    "Run POST /whatsapp/templates/sync, then send a template that it has found.",
    "Meta Adapter",
)
META_TEMPLATE_PAUSED = Entry(
    "META_TEMPLATE_PAUSED",
    400,
    "Template paused by Meta due to low quality (error 132000)",
    "Improve the quality of the existing template, or create a new template.",
    "Meta Adapter",
)
META_RATE_LIMIT = Entry(
    "META_RATE_LIMIT",
    429,
    "Meta API rate limit exceeded (error 4)",
    "Retry with backoff, and check the WhatsApp Business API tier if this happens often.",
    "Meta Adapter",
    retryable=True,
)

ENTRIES: dict[str, Entry] = {entry.code: entry for entry in list(globals().values()) if isinstance(entry, Entry)}
CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(entry.category for entry in ENTRIES.values()))
