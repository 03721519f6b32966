from django.apps import AppConfig


class SamlConfig(AppConfig):
    name = "oauth.saml"
    verbose_name = "SAML"
