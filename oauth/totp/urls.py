from django.urls import path

from oauth.totp import views

urlpatterns = [
    path("enroll", views.Enroll.as_view()),
    path("verify", views.Verify.as_view()),
    path("<str:enrolment_id>", views.OneEnrolment.as_view()),
]
