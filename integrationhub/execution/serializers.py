"""Requests that are checked field by field, and the shapes that OpenAPI shows of the answers."""

from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from integrationhub.execution.batching import BATCH_SCHEMA
from integrationhub.execution.models import DeliveryStatus, Mode, Outcome, Status, Strategy
from integrationhub.execution.order import BODY_SCHEMA
from integrationhub.execution.provider_health import MOST_ATTEMPTS, MOST_EXECUTIONS
from integrationhub.execution.retrying import RETRY_SCHEMA
from integrationhub.execution.routing import WHY_SKIPPED
from integrationhub.execution.rules import ROUTE_SCHEMA
from providers.callbacks import Kind
from providers.models import Status as ProviderStatus

EXECUTE_BODY = {"application/json": BODY_SCHEMA}
BATCH_BODY = {"application/json": BATCH_SCHEMA}
RETRY_BODY = {"application/json": RETRY_SCHEMA}
ROUTE_BODY = {"application/json": ROUTE_SCHEMA}

STATUS = (
    "`unknown`: an attempt was begun and nobody knows whether its provider acted (`outcome_unknown`); it is never sent "
    "again by itself. `failed` without an attempt may be `never_started`: each worker that took it ended before it "
    "could begin. Nothing was sent then, and operators may queue it again."
)
SKIPPED = "Why it was not tried. " + " ".join(f"`{reason}`: {meaning}" for reason, meaning in WHY_SKIPPED.items())


STRATEGIES = [*Strategy.values, "named"]


class AttemptShape(serializers.Serializer):
    sequence = serializers.IntegerField()
    provider_key = serializers.CharField()
    outcome = serializers.ChoiceField(Outcome.choices)
    locals()["class"] = serializers.ChoiceField(["retry", "next", "ambiguous", "stop"], allow_null=True)
    reason = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    message = serializers.CharField(allow_null=True)
    upstream_status = serializers.IntegerField(allow_null=True)
    latency_ms = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField()


class SkippedShape(serializers.Serializer):
    provider_key = serializers.CharField()
    reason = serializers.ChoiceField(list(WHY_SKIPPED), help_text=SKIPPED)


class ErrorShape(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class ExecutionShape(serializers.Serializer):
    execution_id = serializers.UUIDField()
    status = serializers.ChoiceField(Status.choices, help_text=STATUS)
    mode = serializers.ChoiceField(Mode.choices)
    category = serializers.CharField()
    intent = serializers.CharField()
    provider_key = serializers.CharField(allow_null=True)
    fallback_used = serializers.BooleanField()
    reference = serializers.CharField(allow_null=True)
    result = serializers.DictField()
    attempts = AttemptShape(many=True)
    skipped = SkippedShape(many=True)
    created_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField(allow_null=True)
    request_id = serializers.CharField()
    send_at = serializers.DateTimeField(required=False, help_text="A worker runs it then, if it asked for a time.")
    expires_at = serializers.DateTimeField(required=False, help_text="It is not begun later, if it asked for that.")
    retry_of = serializers.UUIDField(required=False, help_text="The execution that this one sent once more.")
    error = ErrorShape(required=False)


class BatchItemShape(serializers.Serializer):
    index = serializers.IntegerField(min_value=0, help_text="Its place in the request; the items are in this order.")
    status = serializers.IntegerField(
        help_text="What `POST /execute` would have answered with: 200, 202, or an error's."
    )
    result = ExecutionShape(required=False)
    error = serializers.DictField(required=False, help_text="The error's envelope, as it would have been alone.")


class BatchShape(serializers.Serializer):
    items = BatchItemShape(many=True)
    succeeded = serializers.IntegerField()
    queued = serializers.IntegerField()
    failed = serializers.IntegerField()


class ToldShape(serializers.Serializer):
    type = serializers.ChoiceField([kind.value for kind in Kind])
    provider_key = serializers.CharField()
    at = serializers.DateTimeField(help_text="By the provider's clock, or by ours where it did not say.")
    reason = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True, help_text="The provider's own.")
    fault = serializers.CharField(
        allow_null=True,
        required=False,
        help_text="Of a failure that is the recipient's or the content's: its code of the error reference. No other "
        "provider is tried then.",
    )
    webhook_id = serializers.CharField(
        allow_null=True, help_text="As in `GET /webhooks/{id}`; null: its provider was asked."
    )


class FollowedShape(serializers.Serializer):
    status = serializers.ChoiceField(DeliveryStatus.choices, help_text="The furthest it came; it never goes back.")
    provider_key = serializers.CharField()
    reference = serializers.CharField()
    updated_at = serializers.DateTimeField()
    timeline = ToldShape(many=True)


class FiguresShape(serializers.Serializer):
    calls = serializers.IntegerField()
    failures = serializers.IntegerField()


class PlaceShape(serializers.Serializer):
    provider_key = serializers.CharField()
    position = serializers.IntegerField(allow_null=True, help_text="In the order of the chain; null: not in it.")
    decision = serializers.ChoiceField(["delivered", "awaited", "tried", "skipped", "not_reached"])
    reason = serializers.CharField(allow_null=True)
    explanation = serializers.CharField()
    moved_back_for = FiguresShape(required=False, help_text="What it did in the half minute before (`healthiest`).")


class RoutingShape(serializers.Serializer):
    strategy = serializers.ChoiceField(STRATEGIES, help_text="`named`: by `options.providers`.")
    providers = PlaceShape(many=True)


class FullExecutionShape(ExecutionShape):
    routing = RoutingShape(allow_null=True, help_text="Why each provider was next or not; null: that is not known yet.")
    delivery = FollowedShape(required=False, help_text="Where its provider tells what became of the message.")


class ExecutionPage(PageShape):
    data = ExecutionShape(many=True)  # type: ignore[assignment]  # The name of every list's rows.


class PlanStepShape(serializers.Serializer):
    position = serializers.IntegerField()
    provider_key = serializers.CharField()


class QuotaShape(serializers.Serializer):
    tier = serializers.CharField()
    quota = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()
    remaining = serializers.IntegerField(allow_null=True)
    resets_at = serializers.DateTimeField()


class PlanShape(serializers.Serializer):
    intent = serializers.CharField()
    mode = serializers.ChoiceField(Mode.choices)
    strategy = serializers.ChoiceField(STRATEGIES)
    chain = PlanStepShape(many=True)
    skipped = SkippedShape(many=True)
    quota = QuotaShape()


class ExecutionFilters(serializers.Serializer):
    status = serializers.ChoiceField(Status.choices, required=False)
    intent = serializers.CharField(required=False, max_length=80)
    provider_key = serializers.CharField(required=False, max_length=64)
    fallback_used = serializers.BooleanField(required=False, allow_null=True, default=None)
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)


class RouteStep(serializers.Serializer):
    provider_key = serializers.CharField(max_length=64)
    weight = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=1000)
    max_per_second = serializers.FloatField(required=False, min_value=0.01, max_value=1000)


class RouteShape(serializers.Serializer):
    intent = serializers.CharField()
    strategy = serializers.ChoiceField(Strategy.choices)
    providers = RouteStep(many=True)


class RateLimitShape(serializers.Serializer):
    requests_per_minute = serializers.IntegerField()


class ProviderUsageShape(serializers.Serializer):
    provider_key = serializers.CharField(allow_null=True)
    executions = serializers.IntegerField()
    fallbacks = serializers.IntegerField()
    failed = serializers.IntegerField()


class UsageShape(QuotaShape):
    period = serializers.DateField()
    rate_limit = RateLimitShape()
    scope = serializers.ChoiceField(["own", "tenant"])
    providers = ProviderUsageShape(many=True)


class WindowShape(serializers.Serializer):
    attempts = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Failed, or nobody knows what came of them.")
    refused = serializers.IntegerField(help_text="The recipient or the content was at fault; not part of the rate.")
    success_rate = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    p95_latency_ms = serializers.IntegerField(allow_null=True)


class CircuitShape(serializers.Serializer):
    state = serializers.ChoiceField(
        ["closed", "open", "half_open"], help_text="`half_open`: the next call is let through and finds out."
    )
    reason = serializers.ChoiceField(["circuit_open", "cooling_down"], allow_null=True)
    retry_after_seconds = serializers.FloatField(allow_null=True)


class CircuitsShape(serializers.Serializer):
    tenant = CircuitShape()
    all_tenants = CircuitShape()


class LastErrorShape(serializers.Serializer):
    code = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    upstream_status = serializers.IntegerField(allow_null=True)
    at = serializers.DateTimeField()


class HealthShape(serializers.Serializer):
    provider_key = serializers.CharField()
    status = serializers.ChoiceField(ProviderStatus.choices)
    scope = serializers.ChoiceField(
        ["tenant", "all_tenants"], help_text="Whose attempts: of all tenants for admins of the platform's own tenant."
    )
    last_hour = WindowShape()
    last_day = WindowShape()
    is_sampled = serializers.BooleanField(
        help_text=f"Only the newest were looked at: {MOST_EXECUTIONS} executions of a tenant, or {MOST_ATTEMPTS} "
        "attempts of all tenants."
    )
    circuit = CircuitsShape()
    last_error = LastErrorShape(allow_null=True, help_text="The last one of the day.")


class CheckShape(serializers.Serializer):
    provider_key = serializers.CharField()
    ok = serializers.BooleanField(allow_null=True, help_text="null: it cannot be tested, so nothing is known.")
    verified = serializers.JSONField(help_text='true, false or "not_supported".')
    latency_ms = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    message = serializers.CharField(help_text="With the provider's own words, without secrets.")
    upstream_status = serializers.IntegerField(allow_null=True)
