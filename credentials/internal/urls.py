from django.urls import path

from credentials.internal import views

urlpatterns = [
    path("bind", views.InternalBind.as_view()),
    path("<str:tenant_id>/<str:provider_key>", views.InternalCredential.as_view()),
]
