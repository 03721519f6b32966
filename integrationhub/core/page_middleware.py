"""Django's layers that serve people's pages: files, sessions, forms, messages. A request of the API passes them by.

Each is Django's own class (the admin looks for those in the settings) with one question before it.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from integrationhub.core.middleware import is_for_programs


class _ForPages:
    _past_pages: Any

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)  # type: ignore[call-arg]  # The layer's, which stands beside this class.
        following = getattr(get_response, "__wrapped__", None)
        # The first of these layers goes past all of them at once.
        self._past_pages = following._past_pages if isinstance(following, _ForPages) else get_response

    def __call__(self, request: HttpRequest) -> Any:
        if is_for_programs(request):
            return self._past_pages(request)
        return super().__call__(request)  # type: ignore[misc]


class Files(_ForPages, WhiteNoiseMiddleware):
    pass


class Sessions(_ForPages, SessionMiddleware):
    pass


class Common(_ForPages, CommonMiddleware):
    pass


class Csrf(_ForPages, CsrfViewMiddleware):
    pass


class Authentication(_ForPages, AuthenticationMiddleware):
    pass


class Messages(_ForPages, MessageMiddleware):
    pass


class XFrameOptions(_ForPages, XFrameOptionsMiddleware):
    pass
