"""Who is calling, and the request that views are given."""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from rest_framework.request import Request

# Each role includes those before it.
ROLES = ("user", "organizer", "admin")


@dataclass(frozen=True, slots=True)
class Principal:
    """The verified caller: one subject of one tenant."""

    tenant_id: UUID
    subject: str
    roles: frozenset[str]

    def has_role(self, lowest: str) -> bool:
        """Whether the caller holds `lowest` or a role above it."""
        return not self.roles.isdisjoint(ROLES[ROLES.index(lowest) :])


@dataclass(frozen=True, slots=True)
class Service:
    """A sibling service that its client certificate names. It acts for every tenant."""

    identity: str


class HubRequest(Request):
    """What a view is given: the caller is a `Principal`; the middleware has put version and request id on it."""

    user: Principal  # type: ignore[assignment]
    data: dict[str, Any]  # The one parser takes nothing but a JSON object.
    hub_version: str
    request_id: str


class ServiceRequest(HubRequest):
    """What the views of sibling services are given."""

    user: Service  # type: ignore[assignment]


def caller(request: Request) -> Principal:
    """The principal, for REST framework's own hooks, which know only its `Request`."""
    return cast(Principal, request.user)
