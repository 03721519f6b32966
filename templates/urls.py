from django.urls import path

from templates import views

urlpatterns = [
    path("templates", views.Templates.as_view()),
    path("templates/sync", views.SyncTemplates.as_view()),
    path("templates/sync/<str:run_id>", views.OneSync.as_view()),
    path("templates/<str:template_name>", views.OneTemplate.as_view()),
]
