from django.urls import path

from oauth.saml import views

urlpatterns = [
    path("idp", views.Idp.as_view()),
    path("acs", views.Acs.as_view()),
]
