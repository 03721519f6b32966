from django.urls import path

from integrationhub.webhooks.telling import views

ONE = "webhook-subscriptions/<str:subscription_id>"

urlpatterns = [
    path("webhook-subscriptions", views.Subscriptions.as_view()),
    path(ONE, views.OneSubscription.as_view()),
    path(f"{ONE}/rotate-secret", views.RotateSecret.as_view()),
    path(f"{ONE}/test", views.Test.as_view()),
    path(f"{ONE}/replay", views.Replay.as_view()),
]
