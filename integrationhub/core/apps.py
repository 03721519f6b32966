from django.apps import AppConfig

# Importing the module registers its checks.
from integrationhub.core import checks as checks


class CoreConfig(AppConfig):
    name = "integrationhub.core"
    label = "core"
