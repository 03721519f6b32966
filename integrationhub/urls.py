"""Every address of the hub. The API's routes stand once, under a version that the middleware has checked."""

from django.contrib import admin
from django.urls import include, path

from integrationhub.audit import signing_in
from integrationhub.core import health
from integrationhub.execution import scraping
from integrationhub.pages import refusals
from integrationhub.webhooks.urls import at_the_root as webhook_receivers

api = [
    path("", include("integrationhub.execution.urls")),
    path("", include("providers.urls")),
    path("", include("credentials.urls")),
    path("", include("marketplace.urls")),
    path("", include("oauth.urls")),
    path("whatsapp/", include("templates.urls")),
    path("whatsapp/", include("whatsapp.urls")),
    path("", include("integrationhub.storage.urls")),
    path("", include("integrationhub.webhooks.urls")),
    path("", include("integrationhub.pages.api_urls")),
]

urlpatterns = [
    path("integrationhub/<str:version>/", include(api)),
    path("", include(webhook_receivers)),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", scraping.metrics),
    path("admin/password_change/", admin.site.admin_view(signing_in.change_password, cacheable=True)),
    path("admin/", admin.site.urls),
    path("", include("integrationhub.pages.connect.urls")),
    path("saml/", include("integrationhub.pages.saml.urls")),
    path("", include("integrationhub.pages.urls")),
]

handler400 = refusals.bad_request
handler403 = refusals.permission_denied
handler404 = refusals.not_found
handler500 = refusals.server_error
