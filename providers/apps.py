from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    name = "providers"

    def ready(self) -> None:
        from providers import registry  # noqa: PLC0415  The adapters may be loaded once Django's apps are.

        registry.load()
