"""The WSGI application that gunicorn serves, its one view, and the routes."""

import json
import os

import requests
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from bench.stub import ACCOUNT, twilio_path

TWILIO_URL = os.environ["STUB_URL"] + twilio_path(ACCOUNT)

session = requests.Session()


def send(request: HttpRequest) -> JsonResponse:
    payload = json.loads(request.body)["payload"]
    form = {"To": payload["to"], "From": "+15005550006", "Body": payload["text"]}
    answer = session.post(TWILIO_URL, data=form, auth=(ACCOUNT, "token"), timeout=8)
    answer.raise_for_status()
    response = JsonResponse({"status": "succeeded", "reference": answer.json()["sid"]})
    # Without it, and without the middleware that adds it, gunicorn would send chunks.
    response["Content-Length"] = len(response.content)
    return response


urlpatterns = [path("send", send)]
application = get_wsgi_application()
