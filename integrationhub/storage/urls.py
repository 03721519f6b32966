from django.urls import path

from integrationhub.storage import views

urlpatterns = [
    path("storage/ipfs", views.IpfsFiles.as_view()),
    path("storage/ipfs/<str:cid>", views.IpfsFile.as_view()),
    path("storage/ipfs/<str:cid>/pin", views.IpfsPin.as_view()),
]
