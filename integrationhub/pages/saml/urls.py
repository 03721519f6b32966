from django.urls import path

from integrationhub.pages.saml import views

urlpatterns = [
    path("metadata", views.metadata, name="saml_metadata"),
    path("login", views.login, name="saml_login"),
    path("acs/<uuid:tenant_id>", views.acs, name="saml_acs"),
]
