from django.urls import path

from integrationhub.pages.connect import views

urlpatterns = [
    path("connect/<str:token>", views.choose, name="connect"),
    path("oauth/callback/<str:provider_key>", views.came_back, name="oauth-callback"),
]
