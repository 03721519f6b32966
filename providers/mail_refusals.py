"""What the codes of e-mail services mean for a chain: data, each table under the page that documents its codes.

What a table does not have goes by its HTTP status. Next leaves the message to another provider; Stop means that no
other would do better. What is the credential's fault says so.
"""

from collections.abc import Mapping
from typing import Any

from providers.errors import Next, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

Refusals = Mapping[Any, Mapping[str, Any]]

# https://postmarkapp.com/developer/api/overview#error-codes
POSTMARK: Refusals = {
    10: {"kind": Next, "credential_refused": True},  # Bad or missing API token.
    100: {"kind": Retry},  # Maintenance.
    300: {"kind": Stop},  # Invalid e-mail request: https://postmarkapp.com/support/article/1180
    400: {"kind": Next},  # The sender signature is not found.
    401: {"kind": Next},  # The sender signature is not confirmed.
    405: {"kind": Next, "retry_after": LONGEST_SECONDS},  # Not allowed to send: out of credit.
    406: {"kind": Stop},  # Every recipient is inactive: bounced for good, complained, or suppressed by hand.
    411: {"kind": Next},  # A type of attachment that Postmark forbids.
    412: {"kind": Next},  # The account is pending, and sends within its own domain only.
    413: {"kind": Next},  # The account may not send.
    429: {"kind": Retry},
    1101: {"kind": Next},  # There is no such template.
    1235: {"kind": Next},  # There is no such message stream.
    1236: {"kind": Next},  # The stream is not one that sends.
}

# https://resend.com/docs/api-reference/errors
RESEND: Refusals = {
    "missing_api_key": {"kind": Next, "credential_refused": True},
    "invalid_api_key": {"kind": Next, "credential_refused": True},
    "restricted_api_key": {"kind": Next, "credential_refused": True},
    "suspended_api_key": {"kind": Next, "credential_refused": True},
    "invalid_from_address": {"kind": Next},  # The sender is the account's to set up.
    "invalid_access": {"kind": Next},
    "invalid_region": {"kind": Next},
    "invalid_attachment": {"kind": Next},
    "security_error": {"kind": Next},  # 451: "We may have found a security issue with the request."
    "rate_limit_exceeded": {"kind": Retry},
    "daily_quota_exceeded": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "monthly_quota_exceeded": {"kind": Next, "retry_after": LONGEST_SECONDS},
}

# https://developers.brevo.com/docs/how-it-works, and `errorModel` of its OpenAPI document.
BREVO: Refusals = {
    "unauthorized": {"kind": Next, "credential_refused": True},
    "permission_denied": {"kind": Next, "credential_refused": True},
    "reseller_permission_denied": {"kind": Next, "credential_refused": True},
    "not_enough_credits": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "account_under_validation": {"kind": Next},
    "document_not_found": {"kind": Next},  # There is no such template.
    "too_many_requests": {"kind": Retry},
}

# https://developers.mailersend.com/general.html#validation-errors
MAILERSEND: Refusals = {
    "#MS42207": {"kind": Next},  # "The from.email domain must be verified in your account."
    "#MS42209": {"kind": Next},  # "The from.email domain does not match the domain of the token."
    "#MS42212": {"kind": Next},  # There is no such template.
    "#MS42222": {"kind": Next},  # The account's trial is used up.
    "#MS42225": {"kind": Next},  # "Trial accounts can only send emails to the administrator's email."
    "#MS42234": {"kind": Next},  # The account may not send to so many recipients.
}

# https://dev.mailjet.com/email/guides/send-api-v31/#error-management
MAILJET: Refusals = {
    "mj-0001": {"kind": Next},  # The account is suspended or not yet set up.
    "send-0008": {"kind": Next},  # "… is not an authorized sender email address for your account."
    "send-0010": {"kind": Next},  # There is no such template.
}

# https://mailchimp.com/developer/transactional/api/messages/send-new-message/, "Error responses". Mandrill answers
# all of them with a status of 4xx or 500, so that the name alone tells them apart.
MANDRILL: Refusals = {
    "Invalid_Key": {"kind": Next, "credential_refused": True},
    "PaymentRequired": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "Unknown_Subaccount": {"kind": Next},
    "Unknown_Template": {"kind": Next},
    "ServiceUnavailable": {"kind": Retry},
    "ValidationError": {"kind": Stop},
}
# Why it wrote to nobody, where the reason is the account's and not the recipient's: `reject_reason`, same page.
MANDRILL_ACCOUNT_REASONS = frozenset(
    {"payment", "invalid-sender", "unsigned", "test-mode-limit", "rule", "expired-plan"}
)

# https://www.scaleway.com/en/developers/api/#error-handling
SCALEWAY: Refusals = {
    "denied_authentication": {"kind": Next, "credential_refused": True},
    "permissions_denied": {"kind": Next, "credential_refused": True},
    "quotas_exceeded": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "too_many_requests": {"kind": Retry},
    "out_of_stock": {"kind": Next},
    "resource_locked": {"kind": Next},
    "precondition_failed": {"kind": Next},  # The domain is not verified, or the service not activated.
    "not_found": {"kind": Next},  # The project or the domain.
    "invalid_arguments": {"kind": Stop},
}

# https://support.sparkpost.com/docs/tech-resources/extended-error-codes
SPARKPOST: Refusals = {
    "1100": {"kind": Next, "credential_refused": True},  # Permission denied.
    "1303": {"kind": Next, "credential_refused": True},
    "1304": {"kind": Next, "credential_refused": True},
    "1600": {"kind": Next},  # There is no such resource, for a message the template.
    "1603": {"kind": Next},
    "1902": {"kind": Stop},  # "Message generation rejection": every recipient is suppressed, or none is valid.
    "2100": {"kind": Next, "retry_after": LONGEST_SECONDS},  # A sending limit is used up.
    "2101": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "2102": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "2103": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "7000": {"kind": Next},  # The sending domain is restricted.
    "7001": {"kind": Next},  # "Invalid domain": it is not one of the account's.
}

# https://godocs.unisender.ru/web-api-ref#email-send
UNISENDER_GO: Refusals = {
    102: {"kind": Next, "credential_refused": True},  # The key is missing or unknown.
    103: {"kind": Next, "credential_refused": True},
    107: {"kind": Retry},  # Too many requests.
    114: {"kind": Next, "credential_refused": True},  # The account is not found or switched off.
    204: {"kind": Stop},  # "No valid recipients."
    901: {"kind": Next, "retry_after": LONGEST_SECONDS},  # The account has no money left.
}
