from typing import Any

import phonenumbers
from rest_framework import serializers

from bench.control.models import Attempt, Execution


class PayloadSerializer(serializers.Serializer[Any]):
    to = serializers.RegexField(r"^\+[1-9][0-9]{6,14}$")
    text = serializers.CharField(max_length=1600)

    def validate_to(self, value: str) -> str:
        try:
            number = phonenumbers.parse(value)
        except phonenumbers.NumberParseException as error:
            raise serializers.ValidationError("not a possible number") from error
        if not phonenumbers.is_possible_number(number):
            raise serializers.ValidationError("not a possible number")
        return value


class OrderSerializer(serializers.Serializer[Any]):
    category = serializers.ChoiceField(["messaging"])
    intent = serializers.ChoiceField(["message.send.sms"])
    payload = PayloadSerializer()


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    class Meta:
        model = Attempt
        fields = ["sequence", "provider_key", "outcome", "reason", "upstream_status", "latency_ms", "started_at"]


class ExecutionSerializer(serializers.ModelSerializer[Execution]):
    attempts = AttemptSerializer(many=True, read_only=True)

    class Meta:
        model = Execution
        fields = [
            "id",
            "status",
            "category",
            "intent",
            "provider_key",
            "fallback_used",
            "reference",
            "result",
            "attempts",
            "created_at",
            "duration_ms",
        ]
