"""Webhooks as most projects take them: verified, a row by the ORM, and a task of Celery for each row."""

import hashlib
import hmac
import json

from celery import Celery
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from bench.control.models import Webhook

app = Celery("control", broker=settings.BROKER_URL)
app.conf.task_ignore_result = True
app.conf.task_default_queue = "control"
SECRET = settings.WEBHOOK_SECRET.encode()


@app.task
def process(webhook_id: int) -> None:
    Webhook.objects.filter(pk=webhook_id).update(status="processed")


@csrf_exempt
def receive(request: HttpRequest) -> HttpResponse:
    expected = "sha256=" + hmac.new(SECRET, request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
        return HttpResponse(status=401)
    webhook = Webhook.objects.create(payload=json.loads(request.body), headers=dict(request.headers))
    process.delay(webhook.pk)
    return HttpResponse()
