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
}

# https://developers.mailersend.com/general, "API error codes"; the last one is not in that list, but has been met:
# "The recipient domain gmail.com must be one of the verified domains", while an account waits for its approval.
MAILERSEND: Refusals = {
    "#MS42204": {"kind": Next, "retry_after": LONGEST_SECONDS},  # "Your account reached its email quota limit."
    "#MS42205": {"kind": Next},  # The account may not send to so many recipients at once.
    "#MS42207": {"kind": Next},  # "The from.email domain must be verified in your account to send emails."
    "#MS42216": {"kind": Next},  # The account's plan does not have this, such as headers of one's own.
    "#MS42222": {"kind": Next, "retry_after": LONGEST_SECONDS},  # "Your trial domain reached its email quota limit."
    "#MS42225": {"kind": Next},  # "You have reached the trial domain unique recipients limit."
    "#MS42226": {"kind": Next},  # "Your default template domain must be verified in your account to send emails."
    "#MS42901": {"kind": Next, "retry_after": LONGEST_SECONDS},  # The day's requests are used up.
    "#MS42212": {"kind": Next},
}

# https://dev.mailjet.com/email/guides/send-api-v31/#error-management
MAILJET: Refusals = {
    "mj-0001": {"kind": Next},  # "API key is suspended": "Your account has been temporarily blocked."
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

# https://www.scaleway.com/en/developers/api/#error-handling, and the types that its own client tells apart:
# https://github.com/scaleway/scaleway-sdk-go/blob/master/scw/errors.go
SCALEWAY: Refusals = {
    "denied_authentication": {"kind": Next, "credential_refused": True},
    "permissions_denied": {"kind": Next, "credential_refused": True},
    "quotas_exceeded": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "too_many_requests": {"kind": Retry},
    "out_of_stock": {"kind": Next},
    "locked": {"kind": Next},
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
    "2005": {"kind": Next},  # The template has no published version.
    "2101": {"kind": Next, "retry_after": LONGEST_SECONDS},  # The hour's sending limit is used up.
    "2103": {"kind": Next, "retry_after": LONGEST_SECONDS},  # That of the sandbox is.
    "7000": {"kind": Next},  # The sending domain is restricted.
    "7001": {"kind": Next},  # "Invalid domain": it is not one of the account's.
}

# https://docs.unione.io/en/api-errors: Unisender Go is UniOne under another name, and has the same API.
UNISENDER_GO: Refusals = {
    102: {"kind": Next, "credential_refused": True},  # The key is unknown.
    114: {"kind": Next, "credential_refused": True},  # The user is, to this one of the two servers.
    204: {"kind": Stop},  # Every recipient is refused.
    206: {"kind": Next},  # The sender is not verified.
    1508: {"kind": Next},  # There is no such template.
    1574: {"kind": Next},  # The sender's domain is not confirmed.
    903: {"kind": Next},  # On the free tariff: to one's own domains and to checked addresses alone.
    # The limit of the day, of the free tariff or of the plan is used up (901, 902, 905), or the money is (904).
    **{code: {"kind": Next, "retry_after": LONGEST_SECONDS} for code in (901, 902, 904, 905)},
}
