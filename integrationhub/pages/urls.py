from django.urls import path, re_path

from integrationhub.pages import views

urlpatterns = [
    path("docs", views.index, name="docs"),
    path("docs/errors", views.errors, name="errors"),
    re_path(r"^docs/errors/(?P<code>[^/]+?)(?:\.(?P<suffix>json|md))?$", views.one_error, name="error"),
    path("docs/sandbox", views.sandbox, name="sandbox"),
    path("docs/versions", views.versions, name="versions"),
    path("docs/api", views.api_reference, name="api"),
    path("openapi.json", views.openapi, name="openapi"),
]
