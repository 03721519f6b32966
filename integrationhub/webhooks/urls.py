from django.urls import include, path

from integrationhub.webhooks import views

INGEST = "webhooks/ingest/<str:provider_key>/<str:endpoint_token>"

urlpatterns = [
    path("whatsapp/webhook", views.Receiver.as_view()),
    path(INGEST, views.EndpointReceiver.as_view()),
    path("webhooks", views.Webhooks.as_view()),
    path("webhooks/endpoints", views.Endpoints.as_view()),
    path("webhooks/endpoints/<str:endpoint_id>", views.OneEndpoint.as_view()),
    path("webhooks/<str:webhook_id>", views.OneWebhook.as_view()),
    path("webhooks/<str:webhook_id>/replay", views.Replay.as_view()),
    path("", include("integrationhub.webhooks.telling.urls")),
]

# What is registered with providers stands at the root, free of the version.
at_the_root = [
    path("webhooks/whatsapp", views.Receiver.as_view()),
    path(INGEST, views.EndpointReceiver.as_view()),
]
