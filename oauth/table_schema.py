"""DATA: the shape of `providers.yaml`, and of the file that a deployment lays over it."""

from typing import Any

# Spaces, backslashes and user names are for no address of ours; {directory} and the like are filled in later.
_URL = {"type": "string", "pattern": r"^https?://[^\s/?#@\\]+(/[^\s#\\]*)?$", "description": "an https:// address"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 300}
_SWITCH = {"type": "boolean"}
_WORDS = {"type": "array", "items": _TEXT, "uniqueItems": True}
_NAMED_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_TOKENS = {"type": "array", "items": {"enum": ["refresh_token", "access_token"]}, "minItems": 1}
# The members of a profile, as they are told; `email_verified` has a rule of its own.
PROFILE_MEMBERS = ("id", "email", "name", "given_name", "family_name", "avatar_url", "locale")


def _closed(*required: str, **members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


_LONG_LIVED = _closed(
    "url", "grant_type", "token_param", url=_URL, grant_type=_TEXT, token_param=_TEXT, with_client_id=_SWITCH
)
_REVOCATION = _closed(
    "url",
    "method",
    "auth",
    url=_URL,
    method={"enum": ["POST", "DELETE"]},
    auth={"enum": ["none", "client", "client_json", "token"]},
    tokens=_TOKENS,
    is_every=_SWITCH,
    is_hinted=_SWITCH,
    is_confirmed=_SWITCH,
    headers=_NAMED_TEXTS,
    ok_status={"type": "array", "items": {"type": "integer", "minimum": 200, "maximum": 299}, "minItems": 1},
    gone_codes=_WORDS,
)
_PROFILE = _closed(
    "url",
    "members",
    url=_or_null(_URL),
    auth={"enum": ["bearer", "query"]},
    root={"type": "string"},
    headers=_NAMED_TEXTS,
    scope_fields=_NAMED_TEXTS,
    email_verified={"enum": ["claimed", "when_present", "never", "unknown"]},
    is_proven=_SWITCH,
    inspect_url=_or_null(_URL),
    emails_url=_or_null(_URL),
    members=_closed("id", **dict.fromkeys(PROFILE_MEMBERS, _WORDS)),
)

ROW: dict[str, Any] = _closed(
    *("display_name", "authorize_url", "token_url", "client_auth", "pkce", "nonce", "scope_separator"),
    *("default_scopes", "profile"),
    display_name=_TEXT,
    version=_TEXT,
    issuers=_WORDS,
    is_issuer_required=_SWITCH,
    authorize_url=_URL,
    token_url=_URL,
    jwks_url=_or_null(_URL),
    client_auth={"enum": ["post", "basic", "apple_jwt"]},
    pkce=_SWITCH,
    nonce=_SWITCH,
    scope_separator={"enum": [" ", ","]},
    default_scopes=_WORDS,
    authorize_params=_NAMED_TEXTS,
    callback_method={"enum": ["GET", "POST"]},
    code_suffix={"type": "string"},
    long_lived=_or_null(_LONG_LIVED),
    refresh={"enum": ["refresh_token", "reexchange", None]},
    reauth_codes=_WORDS,
    rate_codes=_WORDS,
    revocation=_or_null(_REVOCATION),
    profile=_PROFILE,
)
