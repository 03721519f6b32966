"""The chain: quota and execution in one transaction, each attempt's row before its call, the outcome after it."""

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import requests
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import transaction

from bench.control.models import Attempt, Credential, Execution, Installation, Provider, Quota

logger = logging.getLogger(__name__)
session = requests.Session()
fernet = Fernet(settings.CREDENTIAL_KEY)

TIMEOUT_SECONDS = 8


class QuotaExceeded(Exception):
    """The tenant's executions are used up."""


class Busy(Exception):
    """The provider did not act; another one may."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def execute(tenant_id: UUID, order: Mapping[str, Any]) -> Execution:
    """Raises QuotaExceeded; a chain that no provider delivered ends as an execution that failed."""
    began = time.monotonic()
    installations = Installation.objects.filter(tenant_id=tenant_id, enabled=True, provider__active=True)
    installations = installations.select_related("provider").order_by("priority")
    execution = open_execution(tenant_id, order)
    execution.status = "failed"
    for sequence, installation in enumerate(installations, 1):
        try:
            execution.reference = attempt(execution, installation.provider, sequence, order["payload"])
        except Busy:
            continue
        execution.status, execution.provider_key = "succeeded", installation.provider.key
        execution.fallback_used = sequence > 1
        break
    execution.finished_at = datetime.now(UTC)
    execution.duration_ms = round((time.monotonic() - began) * 1000)
    execution.save()
    logger.info("execution %s %s in %s ms", execution.id, execution.status, execution.duration_ms)
    return execution


def open_execution(tenant_id: UUID, order: Mapping[str, Any]) -> Execution:
    with transaction.atomic():
        quota = Quota.objects.select_for_update().get(tenant_id=tenant_id)
        if quota.used >= quota.executions:
            raise QuotaExceeded
        quota.used += 1
        quota.save()
        return Execution.objects.create(tenant_id=tenant_id, category=order["category"], intent=order["intent"])


def attempt(execution: Execution, provider: Provider, sequence: int, payload: Mapping[str, Any]) -> str:
    """One call, its row committed before it; returns the provider's reference, raises Busy."""
    credential = Credential.objects.get(tenant_id=execution.tenant_id, provider=provider)
    secrets = json.loads(fernet.decrypt(bytes(credential.sealed)))
    row = Attempt.objects.create(execution=execution, sequence=sequence, provider_key=provider.key)
    began = time.monotonic()
    try:
        reference = SENDERS[provider.key](provider.base_url, secrets, payload)
        row.outcome = "succeeded"
        return reference
    except Busy as refusal:
        row.outcome, row.reason, row.upstream_status = "failed", f"upstream_{refusal.status}", refusal.status
        raise
    finally:
        row.latency_ms = round((time.monotonic() - began) * 1000)
        row.save()


def twilio(base_url: str, secrets: Mapping[str, str], payload: Mapping[str, Any]) -> str:
    account = secrets["account_sid"]
    form = {"To": payload["to"], "From": secrets["from"], "Body": payload["text"]}
    url = f"{base_url}/2010-04-01/Accounts/{account}/Messages.json"
    answer = session.post(url, data=form, auth=(account, secrets["auth_token"]), timeout=TIMEOUT_SECONDS)
    if answer.status_code in (429, 503):
        raise Busy(answer.status_code)
    answer.raise_for_status()
    return str(answer.json()["sid"])


def vonage(base_url: str, secrets: Mapping[str, str], payload: Mapping[str, Any]) -> str:
    form = {**secrets, "to": payload["to"].lstrip("+"), "text": payload["text"]}
    answer = session.post(f"{base_url}/sms/json", data=form, timeout=TIMEOUT_SECONDS)
    if answer.status_code in (429, 503):
        raise Busy(answer.status_code)
    answer.raise_for_status()
    return str(answer.json()["messages"][0]["message-id"])


SENDERS = {"twilio_sms": twilio, "vonage_sms": vonage}
