from django.urls import include, path

from credentials import views

urlpatterns = [
    path("credentials", views.Credentials.as_view()),
    path("credentials/bind", views.Bind.as_view()),
    path("credentials/<str:credential_id>", views.OneCredential.as_view()),
    path("internal/credentials/", include("credentials.internal.urls")),
    path("credentials/<str:credential_id>/verify", views.Verify.as_view()),
    path("credentials/<str:credential_id>/rotate", views.Rotate.as_view()),
    path("credentials/<str:credential_id>/rollback", views.Rollback.as_view()),
]
