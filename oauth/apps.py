from django.apps import AppConfig


class OAuthConfig(AppConfig):
    name = "oauth"
    verbose_name = "OAuth"

    def ready(self) -> None:
        from oauth import checks  # noqa: F401, PLC0415  Registers the checks, which needs the apps loaded.
