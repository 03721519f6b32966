from django.urls import path

from providers import views

urlpatterns = [
    path("providers", views.Providers.as_view()),
    path("providers/<str:provider_key>", views.OneProvider.as_view()),
    path("providers/<str:provider_key>/adapter", views.ProviderAdapter.as_view()),
    path("intents", views.Intents.as_view()),
    path("intents/<str:intent>", views.OneIntent.as_view()),
]
