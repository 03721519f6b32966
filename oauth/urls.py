from django.urls import include, path

from oauth import views

urlpatterns = [
    path("oauth/providers", views.OAuthProviders.as_view()),
    path("oauth/callback", views.Callback.as_view()),
    path("oauth/<str:provider>/authorize", views.Authorize.as_view()),
    path("oauth/<str:provider>/refresh", views.Refresh.as_view()),
    path("oauth/<str:provider>/revoke", views.Revoke.as_view()),
    path("oauth/<str:provider>/profile", views.Profile.as_view()),
    path("connections", views.Connections.as_view()),
    path("connections/<str:connection_id>", views.OneConnection.as_view()),
    path("connections/<str:connection_id>/refresh", views.RefreshConnection.as_view()),
    path("connections/<str:connection_id>/reconnect", views.Reconnect.as_view()),
    path("connect/sessions", views.ConnectSessions.as_view()),
    path("totp/", include("oauth.totp.urls")),
    path("saml/", include("oauth.saml.urls")),
]
