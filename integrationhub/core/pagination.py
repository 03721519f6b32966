"""Pages of a list by keyset: a cursor names the last row that was shown, so new rows never shift a page."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.http import Principal

DEFAULT_LIMIT = 50
MAX_LIMIT = 100


class PageParameters(serializers.Serializer):
    """How a list's parameters are described; `page` below reads and checks them."""

    limit = serializers.IntegerField(required=False, min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = serializers.CharField(required=False, help_text="The `next_cursor` of the page before.")


def filters(request: Request, kind: type[serializers.Serializer]) -> dict[str, Any]:
    """The query parameters that `kind` declares, read. Raises ValidationError; other parameters are left alone."""
    # A plain dict, since a serializer takes a member that a form lacks for an unticked box.
    checked = kind(data=request.query_params.dict())
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


class PageShape(serializers.Serializer):
    """How a page is described; a list adds its `data`."""

    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


def page(
    request: Request, queryset: QuerySet[Any], *, serialize: Callable[[Any], Any], order: Sequence[str] = ("-id",)
) -> dict[str, Any]:
    """One page as `{"data", "has_more", "next_cursor"}`, by the query parameters `limit` and `cursor`.

    `order` names fields as `order_by` does; together they must be unique. The rows are read here, so call this inside
    the tenant's scope. Raises InvalidRequest naming the parameter at fault; a cursor is bound to tenant and path.
    """
    limit = _limit(request.GET.get("limit"))
    # /integrationhub/<version>/<path>: the versions show one list.
    signer = signing.Signer(salt=f"cursor:{_owner(request)}:{request.path.split('/', 3)[-1]}")
    rows = queryset.order_by(*order)
    if (cursor := request.GET.get("cursor")) is not None:
        rows = _after(rows, order, _read(signer, cursor, len(order)))
    found = list(rows[: limit + 1])
    has_more = len(found) > limit
    return {
        "data": [serialize(row) for row in found[:limit]],
        "has_more": has_more,
        "next_cursor": _write(signer, found[limit - 1], order) if has_more else None,
    }


def _owner(request: Request) -> str:
    return str(request.user.tenant_id) if isinstance(request.user, Principal) else "public"


def _limit(given: str | None) -> int:
    if given is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,3}", given) or not 1 <= int(given) <= MAX_LIMIT:
        raise _bad("limit", "out_of_range", f"a whole number from 1 to {MAX_LIMIT}")
    return int(given)


def _write(signer: signing.Signer, row: Model, order: Sequence[str]) -> str:
    values = [getattr(row, name.lstrip("-")) for name in order]
    plain = [value if isinstance(value, int) else str(value) for value in values]
    return signer.sign(signing.b64_encode(json.dumps(plain).encode()).decode())


def _read(signer: signing.Signer, cursor: str, count: int) -> list[Any]:
    try:
        values = json.loads(signing.b64_decode(signer.unsign(cursor).encode()))
    except (signing.BadSignature, ValueError) as error:
        raise _bad_cursor() from error
    if len(values) != count:
        raise _bad_cursor()
    return list(values)


def _after(rows: QuerySet[Any], order: Sequence[str], values: Sequence[Any]) -> QuerySet[Any]:
    """Rows beyond `values`: a later first field, or an equal first field and a later second one, and so on."""
    beyond, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field = name.lstrip("-")
        beyond |= equal & Q(**{f"{field}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal &= Q(**{field: value})
    try:
        return rows.filter(beyond)
    except (ValidationError, ValueError) as error:
        raise _bad_cursor() from error


def _bad_cursor() -> InvalidRequest:
    return _bad("cursor", "unknown_cursor", "the next_cursor of the page before, of this very list")


def _bad(field: str, reason: str, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"The query parameter '{field}' must be {expected}.",
        reason="invalid_fields",
        fields=[{"field": field, "reason": reason, "expected": expected}],
    )
