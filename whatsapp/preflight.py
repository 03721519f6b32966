"""Everything that can be known to fail before Meta is asked: nothing has been stored, counted or sent then."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from templates import finding, parameters
from whatsapp import windows
from whatsapp.errors import TemplateRequired
from whatsapp.messages import Message, TemplateUse


def ready(*, tenant_id: UUID, phone_number_id: str, message: Message) -> Message:
    """The message that may go out now: the one that was asked for, or its fallback template.

    Raises TemplateRequired where the window is closed and there is no fallback; TemplateNotFound and
    InvalidTemplateParams.
    """
    if message.template:
        return _with_template(tenant_id, message, message.template)
    window = windows.of(tenant_id=tenant_id, phone_number_id=phone_number_id, phone=message.to)
    try:
        windows.require_open(window)
    except TemplateRequired:
        if not message.fallback:
            raise
        return _with_template(tenant_id, message, message.fallback)
    return message


def _with_template(tenant_id: UUID, message: Message, use: TemplateUse) -> Message:
    template = finding.to_send(tenant_id=tenant_id, name=use.name, language=use.language)
    components = parameters.check(template, use.params)
    content: dict[str, Any] = {
        "name": template.name,
        "language": {"code": template.language, "policy": "deterministic"},
    }
    if components:
        content["components"] = components
    return replace(message, kind="template", template=use, file=None, content=content)
