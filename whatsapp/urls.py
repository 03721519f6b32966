from django.urls import path

from whatsapp import views

urlpatterns = [
    path("messages", views.Messages.as_view()),
    path("messages/validate", views.CheckMessage.as_view()),
    path("messages/read", views.ReadMark.as_view()),
    path("media/send", views.Media.as_view()),
    path("media/<str:media_id>/download", views.MediaDownload.as_view()),
    path("deliveries", views.Deliveries.as_view()),
    # Meta's ids hold slashes.
    path("deliveries/<path:message_id>", views.OneDelivery.as_view()),
    path("window/<str:phone>", views.Window.as_view()),
]
