from django.urls import path

from marketplace import views

urlpatterns = [
    path("marketplace/integrations", views.Marketplace.as_view()),
    path("marketplace/integrations/<str:id_or_slug>", views.OneOnTheShelf.as_view()),
    path("marketplace/integrations/<str:id_or_slug>/install", views.Install.as_view()),
    path("integrations/installed", views.Installed.as_view()),
    path("integrations/<str:installation_id>", views.OneInstalled.as_view()),
]
