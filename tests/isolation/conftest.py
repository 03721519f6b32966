"""The loopback's adapters, whose credential can be bound without anyone being asked."""

from tests.execution.conftest import loopback_adapters

__all__ = ["loopback_adapters"]
