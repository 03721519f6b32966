"""Every address of the hub. The API's routes stand once, under a version that the middleware has checked."""

from django.contrib import admin
from django.urls import include, path

from integrationhub.core import exception_handler, health

api = [
    path("", include("integrationhub.execution.urls")),
    path("", include("providers.urls")),
    path("", include("credentials.urls")),
    path("", include("marketplace.urls")),
    path("", include("integrationhub.pages.api_urls")),
]

urlpatterns = [
    path("integrationhub/<str:version>/", include(api)),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("", include("integrationhub.pages.urls")),
]

handler400 = exception_handler.bad_request
handler404 = exception_handler.not_found
handler500 = exception_handler.server_error
