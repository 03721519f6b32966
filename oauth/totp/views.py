from datetime import UTC, datetime

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from oauth.totp import enrolling, verifying
from oauth.totp.serializers import EnrolledShape, VerifiedShape


class Enroll(HubView):
    """The secret is shown once, and again only to a repeat under the same `Idempotency-Key`. The enrolment is confirmed
    by its first right code."""

    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.INVALID_REQUEST, catalogue.EXECUTION_FAILED)}

    @extend_schema(
        summary="Enroll an authenticator app for an account",
        request={"application/json": enrolling.ENROLL_SCHEMA},
        responses={201: EnrolledShape},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        who = request.user
        enrolled = enrolling.enroll(tenant_id=who.tenant_id, body=request.data, subject=who.subject)
        return Response(EnrolledShape(enrolled).data, status=201)


class Verify(HubView):
    """A code is right once: a repeat is `already_used`, and after too many wrong codes the account is `locked`. An id
    that is not there is a 404. An `Idempotency-Key` is not heeded, since a repeated yes would be a second use."""

    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.TOTP_INVALID, catalogue.INVALID_REQUEST, catalogue.EXECUTION_FAILED)}

    @extend_schema(
        summary="Check a one-time code",
        request={"application/json": verifying.VERIFY_SCHEMA},
        responses={200: VerifiedShape},
    )
    def post(self, request: HubRequest, version: str) -> Response:
        who = request.user
        verified = verifying.verify(
            tenant_id=who.tenant_id, body=request.data, subject=who.subject, now=datetime.now(UTC)
        )
        return Response(VerifiedShape(verified).data)


class OneEnrolment(HubView):
    roles = {"DELETE": "organizer"}

    @extend_schema(summary="Remove an enrolment; its secret is gone for good", responses={204: None})
    def delete(self, request: HubRequest, version: str, enrolment_id: str) -> Response:
        who = request.user
        enrolling.remove(tenant_id=who.tenant_id, enrolment_id=enrolment_id, subject=who.subject)
        return Response(status=204)
