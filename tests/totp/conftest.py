"""A vault of another host."""

from tests.credentials.conftest import bao, server

__all__ = ["bao", "server"]
