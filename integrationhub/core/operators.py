"""What the admin pages of all apps build on. Operators see every tenant, so they work as the `system` role."""

from typing import Any

from django.db import models, transaction
from django.forms import Field, ModelForm
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

SYSTEM = "system"


class SystemModelAdmin(ModelAdmin):
    """An admin page that reads and writes through the `system` role, whole changes or none."""

    list_fullwidth = True
    warn_unsaved_form = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return super().get_queryset(request).using(SYSTEM)

    def save_model(self, request: HttpRequest, obj: models.Model, form: ModelForm, change: bool) -> None:
        obj.save(using=SYSTEM)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        obj.delete(using=SYSTEM)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        queryset.using(SYSTEM).delete()

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
