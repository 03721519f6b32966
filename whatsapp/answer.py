"""Deliveries and files as the API tells of them."""

from typing import Any

from integrationhub.core.representation import moment
from whatsapp.fetching import Kept
from whatsapp.models import Delivery, DeliveryStatus

_ORDER = {status: place for place, status in enumerate(DeliveryStatus.values)}


def represent(delivery: Delivery) -> dict[str, Any]:
    error = delivery.error
    return {
        "id": str(delivery.id),
        "message_id": delivery.meta_id or None,
        "status": delivery.status,
        "to": delivery.recipient,
        "type": delivery.type,
        "template_name": delivery.template_name or None,
        "template_language": delivery.template_language or None,
        "used_fallback_template": delivery.used_fallback,
        "phone_number_id": delivery.phone_number_id,
        "wa_id": delivery.wa_id or None,
        "message_status": delivery.meta_status or None,
        "timeline": [
            {"status": status, "at": at}
            for status, at in sorted(delivery.timeline.items(), key=lambda each: (each[1], _ORDER[each[0]]))
        ],
        "error": error and {"code": error["code"], "message": error["message"], "meta": error["details"].get("meta")},
        "attempt_id": delivery.attempt_id and str(delivery.attempt_id),
        "request_id": delivery.request_id or None,
        "created_at": moment(delivery.created_at),
        "updated_at": moment(delivery.updated_at),
    }


def represent_file(kept: Kept) -> dict[str, Any]:
    medium = kept.medium
    return {
        "id": str(medium.id),
        "media_id": medium.media_id,
        "message_id": medium.message_id or None,
        "state": medium.state,
        "content_type": medium.content_type,
        "filename": medium.filename or None,
        "sha256": medium.sha256,
        "size": medium.size,
        "url": kept.url,
        "url_expires_at": moment(kept.expires_at),
        "stored_at": medium.stored_at and moment(medium.stored_at),
    }
