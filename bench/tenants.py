"""Who is served: a tenant with one provider that delivers, and one whose first provider always says that it is busy."""

from bench.stub import ACCOUNT, REFUSED_ACCOUNT

TENANT_PROVIDERS = {"one": ["twilio_sms"], "chain": ["twilio_sms", "vonage_sms"]}
SENDER = "+15005550006"
CONFIGURATIONS = {"twilio_sms": {"from": SENDER}, "vonage_sms": {"from": SENDER}}
# Large enough never to be met, and counted all the same.
QUOTA = 1_000_000_000
REQUESTS_PER_MINUTE = 10_000_000


def secrets_of(tenant: str, provider_key: str) -> dict[str, str]:
    """What the hub's adapters take as a credential, for a provider that believes anything."""
    if provider_key == "vonage_sms":
        return {"api_key": "a1b2c3d4", "api_secret": "a-secret-of-16-c"}
    return {"account_sid": ACCOUNT if tenant == "one" else REFUSED_ACCOUNT, "auth_token": "0" * 32}
