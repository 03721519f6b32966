from django.apps import AppConfig


class WhatsappConfig(AppConfig):
    name = "whatsapp"
    verbose_name = "WhatsApp"

    def ready(self) -> None:
        from whatsapp import checks  # noqa: F401, PLC0415  Registers the checks, which needs the apps loaded.
