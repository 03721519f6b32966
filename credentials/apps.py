from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "credentials"

    def ready(self) -> None:
        from credentials import checks  # noqa: F401, PLC0415  Registers them; needs the models to be loaded.
