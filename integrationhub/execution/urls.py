from django.urls import path

from integrationhub.execution import views

urlpatterns = [
    path("execute", views.ExecuteView.as_view()),
    path("execute/plan", views.PlanView.as_view()),
    path("execute/batch", views.BatchView.as_view()),
    path("executions", views.ExecutionListView.as_view()),
    path("executions/<str:execution_id>", views.ExecutionView.as_view()),
    path("executions/<str:execution_id>/cancel", views.CancelView.as_view()),
    path("executions/<str:execution_id>/retry", views.RetryView.as_view()),
    path("routing/<str:intent>", views.RouteView.as_view()),
    path("usage", views.UsageView.as_view()),
    path("providers/<str:provider_key>/health", views.ProviderHealthView.as_view()),
    path("providers/<str:provider_key>/test", views.ProviderTestView.as_view()),
]
