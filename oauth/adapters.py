"""The applications that tenants register at the eight services: what `POST /credentials/bind` takes for each.

They serve no intent: they are no way to send anything, but whose accounts can be connected.
"""

from typing import Any

from oauth.application import EVERY_DIRECTORY, Application
from oauth.protocol import apple
from oauth.protocol.asking import Failed
from providers.adapter import Adapter, Call
from providers.errors import Stop

_LOOPBACK = r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"
_HOST = r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?"
_SCHEMA_OF = {
    "client_id": {
        "type": "string",
        "pattern": r"^[\x21-\x7e]{1,300}$",
        "description": "the id that the provider gave the application",
        "examples": ["0123456789-example"],
    },
    "client_secret": {
        "type": "string",
        "pattern": r"^[\x20-\x7e]{1,1000}$",
        "x-secret": True,
        "description": "the application's secret",
        "examples": ["an-example-of-a-secret"],
    },
    "scopes": {
        "type": "array",
        "items": {"type": "string", "pattern": r"^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,300}$"},
        "minItems": 1,
        "maxItems": 50,
        "uniqueItems": True,
        "description": "scopes to ask for in place of the usual ones",
    },
    "redirect_uris": {
        "type": "array",
        "items": {
            "type": "string",
            "maxLength": 1000,
            "pattern": rf"^({_HOST}|{_LOOPBACK})(/[^\s#\\]*)?$",
            "description": "an https:// address, or http:// of this machine, without a fragment",
        },
        "maxItems": 20,
        "uniqueItems": True,
        "description": "redirect URIs of the tenant's own that are registered at the provider, besides the hub's",
    },
    "return_origins": {
        "type": "array",
        "items": {
            "type": "string",
            "maxLength": 300,
            "pattern": rf"^({_HOST}|{_LOOPBACK})$",
            "description": "an origin, such as https://app.example.com",
        },
        "maxItems": 20,
        "uniqueItems": True,
        "description": "origins that a browser may be sent back to",
    },
    "directory": {
        "type": "string",
        "pattern": "^(common|organizations|consumers|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        "default": EVERY_DIRECTORY,
        "description": "whose accounts: common, organizations, consumers, or the id of one directory in lower case",
    },
    "team_id": {
        "type": "string",
        "pattern": "^[A-Z0-9]{10}$",
        "description": "the ten characters of the team's id",
        "examples": ["A1B2C3D4E5"],
    },
    "key_id": {
        "type": "string",
        "pattern": "^[A-Z0-9]{10}$",
        "description": "the ten characters of the key's id",
        "examples": ["F6G7H8I9J0"],
    },
    "private_key": {
        "type": "string",
        "maxLength": 4000,
        "pattern": r"^\s*-----BEGIN [A-Z ]+-----[\s\S]+-----END [A-Z ]+-----\s*$",
        "x-secret": True,
        "description": "the key that Apple gave, as the whole text of its .p8 file",
        "examples": ["-----BEGIN PRIVATE KEY-----\nAn example.\n-----END PRIVATE KEY-----\n"],
    },
}
_COMMON = ("scopes", "redirect_uris", "return_origins")


def _application(*members: str, **over: Any) -> dict[str, Any]:
    """What is asked of an application: each member by name, and what all have."""
    required = [name for name in members if name != "directory"]
    properties = {name: _SCHEMA_OF[name] for name in (*members, *_COMMON)}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **over}


class Google(Adapter):
    key = "google"
    display_name = "Google"
    summary = "Google accounts that people connect."
    docs_url = "https://developers.google.com/identity/protocols/oauth2/web-server"
    intents = frozenset()
    credential_schema = _application("client_id", "client_secret")


class Microsoft(Adapter):
    key = "microsoft"
    display_name = "Microsoft"
    summary = "Microsoft accounts that people connect, of companies and private ones."
    docs_url = "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow"
    intents = frozenset()
    credential_schema = _application("client_id", "client_secret", "directory")


class LinkedIn(Adapter):
    key = "linkedin"
    display_name = "LinkedIn"
    summary = "LinkedIn accounts that people connect."
    docs_url = "https://learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow"
    intents = frozenset()
    credential_schema = _application("client_id", "client_secret")


class Twitter(Adapter):
    key = "twitter"
    display_name = "X (Twitter)"
    summary = "Accounts of X that people connect."
    docs_url = "https://docs.x.com/resources/fundamentals/authentication/oauth-2-0/authorization-code"
    intents = frozenset()
    credential_schema = _application("client_id", "client_secret")


class Apple(Adapter):
    key = "apple"
    display_name = "Apple"
    summary = "Apple accounts that people connect."
    docs_url = "https://developer.apple.com/documentation/signinwithapplerestapi"
    intents = frozenset()
    credential_schema = _application("client_id", "team_id", "key_id", "private_key")

    def check(self, call: Call) -> bool:
        """Sign with the key: nothing that Apple offers would tell more, but a wrong file is noticed now."""
        try:
            apple.client_secret(Application.read(call.secrets))
        except Failed as failure:
            raise Stop(
                "This private key signs nothing by ES256: see Apple's .p8 file.", reason=failure.reason
            ) from None
        return False


class Facebook(Adapter):
    key = "facebook"
    display_name = "Facebook"
    summary = "Facebook accounts that people connect."
    docs_url = "https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow"
    intents = frozenset()
    credential_schema = _application("client_id", "client_secret")


class Instagram(Adapter):
    key = "instagram"
    display_name = "Instagram"
    summary = "Professional Instagram accounts that people connect."
    docs_url = (
        "https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/business-login"
    )
    intents = frozenset()
    credential_schema = _application("client_id", "client_secret")


class GitHub(Adapter):
    key = "github"
    display_name = "GitHub"
    summary = "GitHub accounts that people connect."
    docs_url = "https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"
    intents = frozenset()
    credential_schema = _application("client_id", "client_secret")
