from django.urls import include, path

urlpatterns = [
    path("totp/", include("oauth.totp.urls")),
    path("saml/", include("oauth.saml.urls")),
]
