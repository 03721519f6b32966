from django.urls import path

from integrationhub.pages import views

urlpatterns = [
    path("errors", views.Errors.as_view()),
    path("errors/<str:code>", views.OneError.as_view()),
]
