"""Pages for what belongs to no app of ours: operators themselves, and the schedules they edit.

The router sends these models to the `system` role already, so the skin's own base class is enough.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import CrontabScheduleAdmin as StockCrontabAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as StockTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrationhub.core.operators import SYSTEM, Audited

for model in (User, Group, ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(model)
admin.site.index_title = _("Overview")


@admin.register(User)
class OperatorAdmin(Audited, UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        with transaction.atomic(using=SYSTEM):
            return super().user_change_password(request, id, form_url)


@admin.register(Group)
class OperatorGroupAdmin(Audited, GroupAdmin, ModelAdmin):
    pass


class TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):
    pass


class ScheduleForm(PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(PeriodicTask)
class ScheduleAdmin(Audited, StockTaskAdmin, ModelAdmin):
    """When the hub does what on its own. There is no "run now": only the relay and beat publish to the broker."""

    form = ScheduleForm
    # The stock template holds a script in the page, which the admin's policy refuses.
    change_form_template = "admin/change_form.html"
    list_display = ["name", "scheduler", "enabled", "last_run_at", "total_run_count"]
    list_filter = ["enabled", "task"]
    actions = ["enable_tasks", "disable_tasks"]
    date_hierarchy = None

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        chosen = list(queryset)
        super().enable_tasks(request, queryset)
        self._record(request, "enabled", chosen)

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        chosen = list(queryset)
        super().disable_tasks(request, queryset)
        self._record(request, "disabled", chosen)


@admin.register(IntervalSchedule, ClockedSchedule)
class TimingAdmin(Audited):
    def has_module_permission(self, request: HttpRequest) -> bool:
        return False  # Reached from a schedule's form, where it is chosen or added.


@admin.register(CrontabSchedule)
class CrontabAdmin(StockCrontabAdmin, TimingAdmin):
    inlines = ()
