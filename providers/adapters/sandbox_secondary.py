"""The sandbox provider that delivers where the first one fails."""

from providers.sandbox_script import SandboxAdapter


class SandboxSecondary(SandboxAdapter):
    key = "sandbox_secondary"
    display_name = "Sandbox, second"
    is_first = False
