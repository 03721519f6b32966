from collections.abc import Sequence
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue, exception_handler, throttling
from integrationhub.core.exception_handler import DATABASE_AWAY
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.permissions import is_platform_admin
from integrationhub.core.representation import JSON, encode
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.views import HubView
from integrationhub.execution import (
    batching,
    cancelling,
    executor,
    listing,
    order,
    provider_check,
    provider_health,
    queueing,
    retrying,
    rules,
    spending,
)
from integrationhub.execution.answer import represent
from integrationhub.execution.errors import Concluded, ExecutionFailed
from integrationhub.execution.models import Attempt, Execution
from integrationhub.execution.replaying import as_executed, keyed_execution
from integrationhub.execution.serializers import (
    BATCH_BODY,
    EXECUTE_BODY,
    RETRY_BODY,
    ROUTE_BODY,
    BatchShape,
    CheckShape,
    ExecutionFilters,
    ExecutionPage,
    ExecutionShape,
    FullExecutionShape,
    HealthShape,
    PlanShape,
    RouteShape,
    UsageShape,
)
from integrationhub.idempotency import answers
from integrationhub.idempotency.keyed import key_of, keyed
from providers.intents import Intent

MIB = 1024 * 1024
REFUSALS = (
    catalogue.INVALID_INTENT,
    catalogue.INVALID_PHONE,
    catalogue.NO_PROVIDERS,
    catalogue.PROVIDER_NOT_FOUND,
    catalogue.ADAPTER_NOT_FOUND,
    catalogue.CREDENTIAL_NOT_FOUND,
    catalogue.CREDENTIAL_EXPIRED,
    catalogue.QUOTA_EXCEEDED,
    catalogue.EXECUTION_FAILED,
)
EXAMPLES = [
    OpenApiExample(
        "A text message that falls back",
        value={
            "category": "messaging",
            "intent": "message.send.sms",
            "payload": {"to": "+15005550503", "text": "Hello from the hub"},
        },
        request_only=True,
    )
]
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`respond-async`: 202 at once, a worker runs it. Not for an intent that reads.",
)


def prefers_later(request: HubRequest) -> bool:
    """Whether `Prefer` holds the preference `respond-async` (RFC 7240, section 4.1), which takes no value."""
    preferences = request.headers.get("Prefer", "").lower().split(",")
    return any(preference.partition(";")[0].strip() == "respond-async" for preference in preferences)


def _order(request: HubRequest, body: Any) -> order.Order:
    return order.read(body, caller=request.user, request_id=request.request_id, tenant_version=_tenant_version(request))


def _tenant_version(request: HubRequest) -> str | None:
    decision: throttling.Decision = request._request.rate_limit_decision  # type: ignore[attr-defined]  # The throttle's.
    return decision.tenant_version


class ExecutionDoor(HubView):
    """What both ways into an execution share: its window of the rate limit, its size, its word for a fault of ours."""

    rate_limit = "executions"
    max_body_bytes = 16 * MIB
    unforeseen = ExecutionFailed

    def succeeded(self, execution: Execution, attempts: Sequence[Attempt]) -> HttpResponseBase:
        """What is answered when it was done, now or when its key comes again."""
        return as_executed(execution, attempts)


class QuotaDoor(ExecutionDoor):
    """Tells in every answer what is left of the month's quota."""

    units_used: int | None = None
    is_quota_told = True

    def run(self, request: HubRequest, version: str, wanted: order.Order, key: answers.Key | None) -> HttpResponse:
        """Run it now, or have a worker do it where the caller prefers that, or named a time."""
        if prefers_later(request) or wanted.options.is_for_a_worker:
            answer, used = queueing.enqueue(wanted, executions_at=f"/integrationhub/{version}/executions", key=key)
            self.units_used = used
            return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
        run = executor.execute(wanted, key)
        self.units_used = run.units_used
        return HttpResponse(encode(represent(run.execution, run.attempts)), content_type=JSON)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, Concluded):
            self.units_used = exc.units_used
        # A database that did not answer the request would be waited for once more.
        self.is_quota_told = not isinstance(exc, DATABASE_AWAY)
        return super().handle_exception(exc)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if self.is_quota_told and hasattr(request._request, "rate_limit_decision"):
            for name, value in spending.headers(request.user.tenant_id, self.units_used).items():
                answer[name] = value
        return answer


class ExecuteView(QuotaDoor):
    failures = {
        "POST": (
            *REFUSALS,
            catalogue.ALL_PROVIDERS_FAILED,
            catalogue.TEMPLATE_REQUIRED,
            catalogue.META_INVALID_PARAM,
            catalogue.META_RATE_LIMIT,
            catalogue.META_TEMPLATE_NOT_FOUND,
            catalogue.META_TEMPLATE_PAUSED,
            catalogue.META_UNAUTHORIZED,
            catalogue.META_UNDELIVERABLE,
        )
    }

    @extend_schema(
        summary="Run an intent over the tenant's providers, in order",
        request=EXECUTE_BODY,
        examples=EXAMPLES,
        parameters=[PREFER],
        responses={200: ExecutionShape, 202: ExecutionShape},
    )
    @keyed_execution
    def post(self, request: HubRequest, version: str, key: answers.Key | None) -> HttpResponse:
        return self.run(request, version, _order(request, request.data), key)


class RetryView(QuotaDoor):
    """What the execution was to send is kept for a week, where it is no longer than 1 MiB.

    It runs anew by the same options, and names the first one in `retry_of`. Each is retried once; what comes of that
    may be retried in its turn. 409 where its message came after its end (`delivered_late`), and unless `force` is
    given where it may have been sent (`outcome_unknown`) or may come yet (`not_delivered_in_time`).
    """

    body_is_optional = True
    failures = ExecuteView.failures

    @extend_schema(
        summary="Send an execution once more that failed or was cancelled",
        request=RETRY_BODY,
        parameters=[PREFER],
        responses={200: ExecutionShape, 202: ExecutionShape},
    )
    @keyed_execution
    def post(self, request: HubRequest, version: str, execution_id: str, key: answers.Key | None) -> HttpResponse:
        wanted = retrying.order_of(
            caller=request.user,
            request_id=request.request_id,
            execution_id=execution_id,
            body=request.data,
            tenant_version=_tenant_version(request),
        )
        return self.run(request, version, wanted, key)


class CancelView(HubView):
    """A queued one sends nothing then, and its unit of the quota goes back.

    One that waits for its message, as `success_status` wants, calls no other provider: what was accepted may come, and
    `delivery` goes on telling of it. One that is calling a provider or has ended is left alone: 409.
    """

    body_is_optional = True

    @extend_schema(
        summary="Cancel an execution that is queued, or waits for its message",
        request=None,
        responses={200: FullExecutionShape},
    )
    @keyed
    def post(self, request: HubRequest, version: str, execution_id: str) -> Response:
        caller = request.user
        shown = cancelling.cancel(tenant_id=caller.tenant_id, execution_id=execution_id, subject=caller.subject)
        return Response(shown)


class BatchView(QuotaDoor):
    """Each item is answered as `POST /execute` answers it alone, by `result` or by `error` with its status.

    At most four run at a time. What has not been begun within 30 s is not begun: its error says `batch_deadline`. A
    batch counts in the window of executions once for each item, and is refused whole where that has no room.

    Where some items were not begun that may be done later, the same `Idempotency-Key` does those, and tells of the
    others what came of them before.
    """

    failures = {"POST": (catalogue.EXECUTION_FAILED,)}

    @extend_schema(
        summary="Run up to a hundred orders, each with an answer of its own",
        request=BATCH_BODY,
        parameters=[PREFER],
        responses={207: BatchShape},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        tenant_id = request.user.tenant_id
        bodies = batching.items_of(request.data, most=throttling.limit_of(tenant_id))
        if len(bodies) > 1:  # The request itself has been counted as one.
            throttling.spend(request, window=self.rate_limit, cost=len(bodies) - 1)
        batch = batching.Batch(
            read=partial(_order, request),
            refused=partial(exception_handler.handle, context={"view": self, "request": request}),
            executions_at=f"/integrationhub/{version}/executions",
            is_later=prefers_later(request),
            key=key_of(request, tenant_id),
            count=len(bodies),
        )
        items = batch.run(bodies)
        answer = Response(batching.shown(items), status=207)
        answer.is_kept = batching.is_kept(items)  # type: ignore[attr-defined]  # For `keyed`.
        return answer


class PlanView(ExecutionDoor):
    failures = {"POST": REFUSALS}

    @extend_schema(
        summary="Show the chain an order would take; sends and counts nothing",
        request=EXECUTE_BODY,
        examples=EXAMPLES,
        responses={200: PlanShape},
    )
    def post(self, request: HubRequest, version: str) -> Response:
        wanted = _order(request, request.data)
        return Response(spending.plan(wanted))


class ExecutionListView(HubView):
    @extend_schema(
        summary="List executions, newest first",
        parameters=[ExecutionFilters, PageParameters],
        responses={200: ExecutionPage},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        wanted = filters(request, ExecutionFilters)
        tenant_id = request.user.tenant_id
        with tenant_scope(tenant_id):
            rows = listing.matching(tenant_id=tenant_id, **wanted)
            shown = page(request, rows, serialize=lambda execution: execution)
            return Response({**shown, "data": listing.with_attempts(shown["data"])})


class ExecutionView(HubView):
    @extend_schema(
        summary="Show one execution with its attempts, and what became of its message",
        responses={200: FullExecutionShape},
    )
    def get(self, request: HubRequest, version: str, execution_id: str) -> Response:
        return Response(listing.get(tenant_id=request.user.tenant_id, execution_id=execution_id))


class RouteView(HubView):
    roles = {"GET": "organizer", "PUT": "organizer"}
    failures = {"GET": (catalogue.INVALID_INTENT,), "PUT": (catalogue.INVALID_INTENT,)}

    @extend_schema(summary="Show the tenant's own order for an intent", responses={200: RouteShape})
    def get(self, request: HubRequest, version: str, intent: str) -> Response:
        return Response(rules.get(tenant_id=request.user.tenant_id, intent=Intent.get(intent)))

    @extend_schema(summary="Set the tenant's own order and weights", request=ROUTE_BODY, responses={200: RouteShape})
    def put(self, request: HubRequest, version: str, intent: str) -> Response:
        who = request.user
        return Response(
            rules.replace(tenant_id=who.tenant_id, intent=Intent.get(intent), body=request.data, subject=who.subject)
        )


class UsageView(HubView):
    @extend_schema(summary="Show this month's use of the quota", responses={200: UsageShape})
    def get(self, request: HubRequest, version: str) -> Response:
        subject = None if request.user.has_role("admin") else request.user.subject
        return Response(spending.usage(request.user.tenant_id, subject=subject))


class ProviderHealthView(HubView):
    failures = {"GET": (catalogue.PROVIDER_NOT_FOUND,)}

    @extend_schema(summary="Show how a provider has done for the tenant lately", responses={200: HealthShape})
    def get(self, request: HubRequest, version: str, provider_key: str) -> Response:
        caller = request.user
        shown = provider_health.report(
            tenant_id=caller.tenant_id, provider_key=provider_key, of_all=is_platform_admin(caller)
        )
        return Response(shown)


class ProviderTestView(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {
        "POST": (
            catalogue.PROVIDER_NOT_FOUND,
            catalogue.ADAPTER_NOT_FOUND,
            catalogue.CREDENTIAL_NOT_FOUND,
            catalogue.CREDENTIAL_EXPIRED,
            catalogue.EXECUTION_FAILED,
        )
    }

    @extend_schema(
        summary="Ask a provider whether it accepts the tenant's credential", request=None, responses={200: CheckShape}
    )
    @keyed
    def post(self, request: HubRequest, version: str, provider_key: str) -> Response:
        said = provider_check.with_bound(
            tenant_id=request.user.tenant_id, provider_key=provider_key, subject=request.user.subject
        )
        return Response(provider_check.shown(provider_key, said))
