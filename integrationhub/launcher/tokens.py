"""JSON Web Tokens of an installation that signs its own (HS256)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from integrationhub.launcher.trouble import Trouble


def mint(settings: Mapping[str, str], tenant: UUID, role: str, lifetime: timedelta) -> str:
    """A token for the API that says: this bearer has `role` for `tenant`, until its `lifetime` is over.

    Raises Trouble where tokens come from an issuer with a private key, which we do not have.
    """
    algorithm = settings["JWT_ALGORITHM"]
    if algorithm != "HS256":
        raise Trouble(
            f"JWT_ALGORITHM is {algorithm}: the tokens of this hub come from its issuer, {settings['JWT_ISSUER']}."
        )
    now = datetime.now(UTC)
    claims = {
        "sub": f"hub-token-{role}",
        "tenant_id": str(tenant),
        "roles": [role],
        "iss": settings["JWT_ISSUER"],
        "aud": settings["JWT_AUDIENCE"],
        "iat": now,
        "exp": now + lifetime,
    }
    return jwt.encode(claims, settings["JWT_SECRET"], algorithm="HS256")
