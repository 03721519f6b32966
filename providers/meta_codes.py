"""What Meta's error codes mean to the hub: DATA, one row per code.

Codes: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
and https://developers.facebook.com/docs/graph-api/guides/error-handling. What stands behind a row is Meta's meaning;
six rows hold what the hub's error reference says in its place, and those say so.
"""

from dataclasses import dataclass

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from providers.errors import Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS


@dataclass(frozen=True, slots=True)
class Meaning:
    """The entry that the hub answers with, and the class by which the executor acts; None is that of the HTTP status.

    `retryable` differs from the entry's where it is not None. `wait`, in seconds, is told where Meta tells none.
    `asks_to_wait` is false for limits of one recipient or one template: the rest of the number is not to be stalled.
    """

    entry: Entry
    kind: type[ProviderError] | None
    retryable: bool | None = None
    wait: float | None = None
    asks_to_wait: bool = True


_UNAUTHORIZED = Meaning(catalogue.META_UNAUTHORIZED, Next)
_INVALID = Meaning(catalogue.META_INVALID_PARAM, Stop)
_UNDELIVERABLE = Meaning(catalogue.META_UNDELIVERABLE, Stop)
_TEMPLATE_NOT_FOUND = Meaning(catalogue.META_TEMPLATE_NOT_FOUND, Stop)
_TEMPLATE_PAUSED = Meaning(catalogue.META_TEMPLATE_PAUSED, Stop)
_TEMPLATE_REQUIRED = Meaning(catalogue.TEMPLATE_REQUIRED, Stop)
_TEMPLATE_PARAMS = Meaning(catalogue.INVALID_TEMPLATE_PARAMS, Stop)
# Limits. Those of the account pass by themselves; a limit that Meta lifts at its own time is no reason to try again.
_BUSY_ACCOUNT = Meaning(catalogue.META_RATE_LIMIT, Retry)
_BUSY_PAIR = Meaning(catalogue.META_RATE_LIMIT, Retry, asks_to_wait=False)
_BUSY_FLOW = Meaning(catalogue.META_RATE_LIMIT, Stop, wait=3600, asks_to_wait=False)
_LIMIT_LATER = Meaning(catalogue.META_RATE_LIMIT, Next)
_LIMIT_SPENT = Meaning(catalogue.META_RATE_LIMIT, Next, retryable=False)
# Meta says that it did not act.
_DOWN = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Retry)
_MAINTENANCE = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Retry, wait=60)
_BEING_DELETED = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Retry, wait=300)
_TEMPLATE_SYNCING = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Stop, wait=600, asks_to_wait=False)
# The business account itself is at fault: another provider may do it, this one will not by being asked again.
_RESTRICTED = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Next, retryable=False)
_UNPAID = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Next, retryable=False, wait=LONGEST_SECONDS)
_NOT_SET_UP = Meaning(catalogue.WHATSAPP_NOT_CONFIGURED, Next)
_LINK_FAILED = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Stop)
_MEDIA_REFUSED = Meaning(catalogue.WHATSAPP_UNAVAILABLE, Stop, retryable=False)
_MEDIA_LOST = Meaning(catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED, Stop, retryable=False)
# "API Unknown: invalid request or possible server error": its HTTP status tells which.
_UNCLEAR = Meaning(catalogue.WHATSAPP_UNAVAILABLE, None, retryable=False)
_UNCLEAR_FAULT = Meaning(catalogue.WHATSAPP_UNAVAILABLE, None)

CODES: dict[int, Meaning] = {
    0: _UNAUTHORIZED,  # App user could not be authenticated.
    1: _UNCLEAR,  # Invalid request OR possible server error.
    2: _DOWN,  # Temporary downtime/overload.
    3: _UNAUTHORIZED,  # Capability/permission missing.
    4: _BUSY_ACCOUNT,  # App reached its Graph call limit.
    10: _UNAUTHORIZED,  # Permission not granted/removed, or endpoint not eligible.
    17: _BUSY_ACCOUNT,  # User-level call limit.
    33: _INVALID,  # Business phone number deleted (usually seen as code 100 + subcode 33).
    100: _INVALID,  # Unsupported/misspelled/invalid parameter; also wrong object id.
    102: _UNAUTHORIZED,  # API session invalid.
    104: _UNAUTHORIZED,  # Access token missing.
    190: _UNAUTHORIZED,  # Access token expired/invalid (subcodes 458,459,460,463,464,467,492).
    200005: _INVALID,  # Template insights not available/enabled.
    200006: _INVALID,  # Template insights not available/enabled.
    200007: _INVALID,  # Template insights not available/enabled.
    341: _BUSY_ACCOUNT,  # Application limit reached.
    368: _RESTRICTED,  # WABA restricted/disabled for policy violation.
    506: _INVALID,  # Duplicate post.
    613: _BUSY_ACCOUNT,  # Calls to this API exceeded the rate limit.
    80007: _BUSY_ACCOUNT,  # WABA reached its management-API rate limit.
    130403: _UNDELIVERABLE,  # Business itself has blocked this user.
    130429: _BUSY_ACCOUNT,  # Phone-number throughput reached (80/1000 mps).
    130472: _UNDELIVERABLE,  # Recipient is in a Meta experiment; marketing not delivered.
    130497: _UNDELIVERABLE,  # Account may not message users in this country.
    131000: _DOWN,  # Something went wrong (unknown).
    131005: _UNAUTHORIZED,  # Permission not granted/removed.
    131008: _INVALID,  # Required parameter missing.
    131009: _INVALID,  # Parameter value not valid.
    131014: _LINK_FAILED,  # Media link fetch failed (undocumented, seen live).
    131016: _DOWN,  # Service temporarily unavailable.
    131021: _INVALID,  # Recipient equals sender.
    131026: _UNDELIVERABLE,  # Message undeliverable: not on WhatsApp / old client / ToS not accepted.
    131030: _UNDELIVERABLE,  # Recipient not in the allowed list (test number).
    131031: _RESTRICTED,  # Account locked/restricted, or PIN/data check failed.
    131037: _NOT_SET_UP,  # 555 number has no approved display name.
    131042: _UNPAID,  # Payment/billing problem of the WABA.
    131044: _UNPAID,  # Payment/billing problem of the WABA.
    131043: _UNDELIVERABLE,  # Message expired (older list).
    131045: _NOT_SET_UP,  # Phone number registration/certificate error.
    131047: _TEMPLATE_REQUIRED,  # 24-hour window closed.
    131048: _UNDELIVERABLE,  # Spam rate limit: the number was blocked or flagged; the reference's own row.
    131049: _UNDELIVERABLE,  # Not delivered to keep ecosystem healthy (per-user marketing cap).
    131050: _UNDELIVERABLE,  # Recipient opted out of this business marketing.
    131051: _INVALID,  # Unsupported message type.
    131052: _MEDIA_LOST,  # Media sent by the user could not be downloaded (e.g. >100MB).
    131053: _MEDIA_REFUSED,  # Media upload/fetch failed.
    131055: _INVALID,  # Method not allowed (MM API: only marketing templates).
    131056: _BUSY_PAIR,  # Pair rate limit: too many messages to the same user.
    131057: _MAINTENANCE,  # Account in maintenance (throughput upgrade, ~1 min).
    131060: _INVALID,  # Unsupported message (companion/coexistence).
    131062: _UNDELIVERABLE,  # BSUID recipient not supported for this message.
    131063: _INVALID,  # Marketing templates disabled on Cloud API for this WABA.
    131064: _LIMIT_SPENT,  # Messaging limit hit because of template misclassification.
    132000: _TEMPLATE_PAUSED,  # Number of template parameters does not match; the reference's own row.
    132001: _TEMPLATE_NOT_FOUND,  # Template does not exist in that language / not approved.
    132005: _TEMPLATE_PARAMS,  # Text too long after substitution.
    132007: _INVALID,  # Template content violates policy.
    132008: _TEMPLATE_PARAMS,  # Parameter value invalid (older list).
    132012: _TEMPLATE_PARAMS,  # Parameter format mismatch (e.g. text given for media header).
    132015: _TEMPLATE_PAUSED,  # Template PAUSED for low quality.
    132016: _TEMPLATE_PAUSED,  # Template DISABLED after repeated pauses.
    132018: _TEMPLATE_PARAMS,  # Template parameter issue.
    132068: _INVALID,  # Flow blocked.
    132069: _BUSY_FLOW,  # Flow throttled (10 messages/hour reached).
    133000: _TEMPLATE_NOT_FOUND,  # A previous DEregistration attempt failed; the reference's own row.
    133004: _DOWN,  # Server temporarily unavailable.
    133005: _INVALID,  # Two-step PIN wrong / too many / too fast.
    133008: _INVALID,  # Two-step PIN wrong / too many / too fast.
    133009: _INVALID,  # Two-step PIN wrong / too many / too fast.
    133006: _NOT_SET_UP,  # Number must be verified before registering.
    133010: _NOT_SET_UP,  # Phone number not registered on the platform.
    133015: _BEING_DELETED,  # Number recently deleted, deletion not complete.
    133016: _LIMIT_LATER,  # Too many register/deregister attempts.
    134011: _RESTRICTED,  # WhatsApp Payments ToS not accepted.
    134100: _INVALID,  # MM API: only marketing templates.
    134102: _INVALID,  # MM API: template unavailable / not onboarded.
    134101: _TEMPLATE_SYNCING,  # MM API: template still syncing (10 min).
    135000: _INVALID,  # Generic user error (unknown problem with the parameters).
    136024: _INVALID,  # Request/verify code errors (subcodes 2388091/2388093).
    136025: _INVALID,  # Request/verify code errors (subcodes 2388091/2388093).
    137000: _UNDELIVERABLE,  # Recipient identity key mismatch.
    2388012: _INVALID,  # Template create/edit or number migration errors.
    2388019: _INVALID,  # Template create/edit or number migration errors.
    2388024: _INVALID,  # Template create/edit or number migration errors.
    2388039: _INVALID,  # Template create/edit or number migration errors.
    2388040: _INVALID,  # Template create/edit or number migration errors.
    2388047: _INVALID,  # Template create/edit or number migration errors.
    2388072: _INVALID,  # Template create/edit or number migration errors.
    2388073: _INVALID,  # Template create/edit or number migration errors.
    2388091: _INVALID,  # Template create/edit or number migration errors.
    2388093: _INVALID,  # Template create/edit or number migration errors.
    2388103: _INVALID,  # Template create/edit or number migration errors.
    2388293: _INVALID,  # Template create/edit or number migration errors.
    2388299: _INVALID,  # Template create/edit or number migration errors.
    2494100: _MAINTENANCE,  # Account in maintenance mode.
    2593107: _INVALID,  # Business-app synchronization only once / within 24h.
    2593108: _INVALID,  # Business-app synchronization only once / within 24h.
}
PERMISSIONS = range(200, 300)  # A permission is missing, or no token was sent.
HTTP_429 = Meaning(catalogue.META_RATE_LIMIT, None)
HTTP_401 = Meaning(catalogue.META_UNAUTHORIZED, None)
HTTP_5XX = Meaning(catalogue.WHATSAPP_UNAVAILABLE, None)  # Also an answer that can't be read, and none at all.
DEFAULT = Meaning(catalogue.META_INVALID_PARAM, None)
REFUSED_WITH_200 = Meaning(catalogue.META_INVALID_PARAM, Stop)
_TEMPLATE_PLACES = ("header:", "body:", "buttons:")


def meaning_of(code: int | None, status: int, *, details: str = "", is_transient: bool = False) -> Meaning:
    """By the code, then the range 200-299, then the HTTP status, of which Meta makes little: limits come with 400.

    `details` are Meta's own words: for 131008 they begin with the part of a template that lacks a parameter.
    """
    if code == 131008 and details.lower().startswith(_TEMPLATE_PLACES):
        return _TEMPLATE_PARAMS
    if code == 1 and (is_transient or status >= 500):
        return _DOWN if is_transient else _UNCLEAR_FAULT
    if code in CODES:
        return CODES[code]
    return _UNAUTHORIZED if code in PERMISSIONS else _by_status(status, code)


def _by_status(status: int, code: int | None) -> Meaning:
    if status in (401, 429):
        return HTTP_401 if status == 401 else HTTP_429
    if 400 <= status < 500:
        return DEFAULT
    return REFUSED_WITH_200 if status == 200 and code is not None else HTTP_5XX
