"""The sandbox provider that fails where the script says "the first"."""

from providers.sandbox_script import SandboxAdapter


class SandboxPrimary(SandboxAdapter):
    key = "sandbox_primary"
    display_name = "Sandbox, first"
    is_first = True
