"""What the admin pages of all apps build on. Operators see every tenant, so they work as the `system` role."""

from copy import copy
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.forms import Field, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from unfold.admin import ModelAdmin

SYSTEM = "system"


class Audited(ModelAdmin):
    """A page whose additions, changes and deletions stand with their entries in the audit trail, or not at all.

    Where the actions of a page call what records for itself, `is_recorded` is False.
    """

    is_recorded = True

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        logged = super().log_addition(request, obj, message)
        self._record(request, "created", [obj])
        return logged

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        logged = super().log_change(request, obj, message)
        self._record(request, "changed", [obj], change=logged.get_change_message())
        return logged

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        gone = [copy(obj)]  # Django takes the key from what it has deleted.
        obj.delete(using=SYSTEM)
        self._record(request, "deleted", gone)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        gone = list(queryset)
        queryset.using(SYSTEM).delete()
        self._record(request, "deleted", gone)

    def response_action(self, *args: Any, **kwargs: Any) -> HttpResponse | None:
        with transaction.atomic(using=SYSTEM):
            return super().response_action(*args, **kwargs)

    def _record(self, request: HttpRequest, became: str, rows: list[models.Model], **details: Any) -> None:
        if self.is_recorded:
            import_string(settings.OPERATOR_RECORDER)(request, became, rows, **details)


class SystemModelAdmin(Audited):
    """An admin page that reads and writes through the `system` role, whole changes or none."""

    list_fullwidth = True
    warn_unsaved_form = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return super().get_queryset(request).using(SYSTEM)

    def save_model(self, request: HttpRequest, obj: models.Model, form: ModelForm, change: bool) -> None:
        obj.save(using=SYSTEM)

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any
    ) -> Field | None:
        return super().formfield_for_foreignkey(db_field, request, **{"using": SYSTEM, **kwargs})

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField, request: HttpRequest, **kwargs: Any
    ) -> Field | None:
        return super().formfield_for_manytomany(db_field, request, **{"using": SYSTEM, **kwargs})

    # Django opens its own transaction on the model's usual role; these are the ones around what is really written.
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic(using=SYSTEM):
            return super().changeform_view(*args, **kwargs)

    def delete_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic(using=SYSTEM):
            return super().delete_view(*args, **kwargs)


class ReadOnlyAdmin(SystemModelAdmin):
    """A page to look at. What it shows is made by the service alone."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
