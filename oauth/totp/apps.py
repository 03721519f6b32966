from django.apps import AppConfig


class TotpConfig(AppConfig):
    name = "oauth.totp"
    verbose_name = "TOTP"
