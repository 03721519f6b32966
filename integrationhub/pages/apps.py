from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "integrationhub.pages"
    label = "pages"
