from django.urls import path

from bench.control import webhooks
from bench.control.views import ExecuteView

urlpatterns = [path("execute", ExecuteView.as_view()), path("webhooks", webhooks.receive)]
