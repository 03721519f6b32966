"""Everything that can be known to fail before Meta is asked: nothing has been stored, counted or sent then."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings

from credentials.models import Credential
from integrationhub.core.tenancy import tenant_scope
from templates import finding, parameters, preview
from whatsapp import accounts, windows
from whatsapp.errors import TemplateRequired
from whatsapp.messages import Message, TemplateUse
from whatsapp.models import BusinessNumber


def ready(*, tenant_id: UUID, phone_number_id: str, message: Message) -> Message:
    """The message that may go out now: the one that was asked for, or its fallback template.

    Raises TemplateRequired where the window is closed and there is no fallback; TemplateNotFound and
    InvalidTemplateParams.
    """
    if message.template:
        return _with_template(tenant_id, phone_number_id, message, message.template)
    window = windows.of(tenant_id=tenant_id, phone_number_id=phone_number_id, phone=message.to)
    try:
        windows.require_open(window)
    except TemplateRequired:
        if not message.fallback:
            raise
        return _with_template(tenant_id, phone_number_id, message, message.fallback)
    return message


def _with_template(tenant_id: UUID, phone_number_id: str, message: Message, use: TemplateUse) -> Message:
    waba_id = _account_of(tenant_id, phone_number_id)
    template = finding.to_send(tenant_id=tenant_id, name=use.name, language=use.language, waba_id=waba_id)
    components = parameters.check(template, use.params)
    content: dict[str, Any] = {
        "name": template.name,
        "language": {"code": template.language, "policy": "deterministic"},
    }
    if components:
        content["components"] = components
    shown = preview.render(template, components)
    return replace(message, kind="template", template=use, file=None, content=content, preview=shown)


def _account_of(tenant_id: UUID, phone_number_id: str) -> str:
    """The business account of a number that the tenant sends by, told without opening a secret. What the tenant has of
    an account before it is there until the next sync."""
    with tenant_scope(tenant_id):
        mine = BusinessNumber.objects.for_tenant(tenant_id).filter(phone_number_id=phone_number_id)
        in_use = mine.filter(credential__status=Credential.Status.ACTIVE)
        own: str | None = in_use.values_list("waba_id", flat=True).first()
    return own or (settings.META_WABA_ID if accounts.is_deployments(phone_number_id) else "")
